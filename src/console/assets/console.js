// What pages can do besides being read: times in the reader's own zone, copying, keys, asking once more. All of it is extra:
// without scripts every page shows and does the same.
(() => {
  const units = [
    ['year', 31_536_000],
    ['month', 2_592_000],
    ['day', 86_400],
    ['hour', 3_600],
    ['minute', 60],
    ['second', 1],
  ];
  // The pages are in English; of its ways to write a date the reader's own is taken.
  const locale = navigator.language.startsWith('en') ? navigator.language : 'en-GB';
  const relative = new Intl.RelativeTimeFormat(locale, { numeric: 'auto' });
  const exact = new Intl.DateTimeFormat(locale, {
    dateStyle: 'medium',
    timeStyle: 'long',
  });
  // For a sentence: "since 2 hours ago" would be none.
  const short = new Intl.DateTimeFormat(locale, {
    dateStyle: 'medium',
    timeStyle: 'short',
  });
  const ago = (at) => {
    const seconds = (at - Date.now()) / 1_000;
    const [unit, size] = units.find(([, least]) => Math.abs(seconds) >= least) ?? ['second', 1];
    return relative.format(Math.round(seconds / size), unit);
  };

  const showTimes = (root) => {
    for (const element of root.querySelectorAll('time[datetime]')) {
      const at = new Date(element.dateTime);
      if (Number.isNaN(at.getTime())) continue;
      const isMoment = element.dataset.moment !== undefined;
      element.textContent = isMoment ? short.format(at) : ago(at);
      element.title = isMoment ? `${ago(at)}, ${exact.format(at)}` : exact.format(at);
    }
  };

  const addCopy = (root) => {
    for (const element of root.querySelectorAll('[data-copy]')) {
      if (element.nextElementSibling?.classList.contains('copy')) continue;
      const button = document.createElement('button');
      button.type = 'button';
      button.className = 'copy';
      // The name begins with the word that is shown, for those who hear the button and those who speak to it.
      const say = (word) => {
        button.textContent = word;
        // Of the usual word the two sheets of paper are shown, of another one the word.
        button.toggleAttribute('data-said', word !== 'Copy');
        button.setAttribute('aria-label', `${word} ${element.textContent.slice(0, 60)}`);
      };
      say('Copy');
      button.addEventListener('click', async () => {
        try {
          await navigator.clipboard.writeText(element.textContent);
          say('Copied');
        } catch {
          // A browser keeps the clipboard from pages without TLS, or whose person refused it.
          getSelection()?.selectAllChildren(element);
          say('Selected');
        }
        setTimeout(() => say('Copy'), 1_500);
      });
      element.after(button);
    }
  };

  // A slider and a number that say the same, and what share of a whole that is.
  const joinRanges = (root) => {
    for (const range of root.querySelectorAll('input[data-range]')) {
      const number = document.getElementById(range.dataset.range);
      const output = document.querySelector(`output[for="${CSS.escape(range.dataset.range)}"]`);
      const say = () => {
        output.textContent = Math.round((Number(output.dataset.shareOf) * Number(number.value)) / 100);
      };
      range.hidden = false;
      range.addEventListener('input', () => {
        number.value = range.value;
        say();
      });
      number.addEventListener('input', () => {
        range.value = number.value;
        say();
      });
    }
  };

  // Says to the server that this page shows by itself how its work goes on.
  const tellScripted = (root) => {
    for (const field of root.querySelectorAll('input[data-scripted]')) field.value = field.dataset.scripted;
  };

  const dress = (root) => {
    tellScripted(root);
    joinRanges(root);
    showTimes(root);
    addCopy(root);
  };

  document.addEventListener('submit', (event) => {
    const question = event.submitter?.dataset.ask;
    if (question !== undefined && !confirm(question)) event.preventDefault();
  });

  let afterG = 0;
  document.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target instanceof Element && event.target.closest('input, textarea, select, [contenteditable]'))
      return;
    if (event.key === '/') {
      event.preventDefault();
      document.querySelector('[data-search]')?.focus();
    } else if (event.key === '?') document.getElementById('keys')?.showModal();
    else if (event.key === 'g') afterG = Date.now();
    else if (Date.now() - afterG < 1_000) {
      afterG = 0;
      document.querySelector(`[data-go="${CSS.escape(event.key)}"]`)?.click();
    }
  });

  // Parts that bring themselves up to date. One tab of the browser holds the stream and tells the others; hidden ones let go.
  // Every page follows, so that none stays open when its session has ended.
  // With a thousand tenants something changes every second, and fifty open pages must not cost more than a glance: all of them
  // ask in the same second of each ten, so that one answer is made and serves everybody. What changes whenever anything does
  // says that it rests longer: [data-rest], in seconds.
  const restMs = () => Number(document.querySelector('[data-rest]')?.dataset.rest ?? 10) * 1_000;
  const refusedRestMs = 30_000;
  // What is answered may be a second old, and must not be from before the change. Everybody hears of that at the same moment,
  // and if all asked at once device calls would wait.
  const ageMs = 1_000;
  const spreadMs = 1_000;
  let restUntil = 0;
  let resting;
  const waiting = new Set();
  const hear = ({ changes }) => {
    for (const { kind } of changes) waiting.add(kind === 'routes' ? 'espalier:routes' : 'espalier:changed');
    if (document.hidden || waiting.size === 0 || resting !== undefined) return;
    resting = setTimeout(
      () => {
        resting = undefined;
        if (document.hidden) return;
        restUntil = Math.ceil(Date.now() / restMs()) * restMs();
        const names = [...waiting];
        waiting.clear();
        for (const name of names) document.body.dispatchEvent(new CustomEvent(name));
      },
      Math.max(ageMs, restUntil - Date.now()) + Math.random() * spreadMs,
    );
  };
  if ('locks' in navigator) {
    const others = new BroadcastChannel('espalier');
    others.addEventListener('message', ({ data }) => hear(data));
    let letGo;
    const follow = () => {
      if (letGo !== undefined || document.hidden) return;
      const queue = new AbortController();
      letGo = () => queue.abort();
      navigator.locks
        .request('espalier-events', { signal: queue.signal }, () => {
          const source = new EventSource('/api/v1/events');
          return new Promise((resolve) => {
            letGo = () => {
              source.close();
              resolve();
            };
            source.addEventListener('changed', ({ data }) => {
              const changed = JSON.parse(data);
              others.postMessage(changed);
              hear(changed);
            });
            // Refused, not only broken off.
            source.addEventListener('error', () => {
              if (source.readyState !== EventSource.CLOSED) return;
              leave();
              void refused();
            });
          });
        })
        .catch(() => undefined);
    };
    const leave = () => {
      letGo?.();
      letGo = undefined;
    };
    // Without a session the page asks for itself, which leads to the sign-in; otherwise the stream is asked for again later.
    const refused = async () => {
      const headers = { 'x-espalier-refresh': '1' };
      const answer = await fetch('/api/v1/session', { headers }).catch(() => undefined);
      if (answer?.status === 401) location.replace(location.pathname + location.search);
      else setTimeout(follow, refusedRestMs);
    };
    const comeBack = () => {
      follow();
      hear({ changes: [{ kind: 'all' }] });
    };
    document.addEventListener('visibilitychange', () => (document.hidden ? leave() : comeBack()));
    addEventListener('pagehide', leave);
    addEventListener('pageshow', ({ persisted }) => {
      if (persisted) comeBack();
    });
    follow();
  }
  const isByItself = ({ triggeringEvent }) =>
    triggeringEvent === undefined || triggeringEvent.type.startsWith('espalier:');
  // What a page asks by itself is no use of the session.
  document.body.addEventListener('htmx:configRequest', ({ detail }) => {
    if (isByItself(detail)) detail.headers['x-espalier-refresh'] = '1';
  });
  // What had the keyboard in a part that is fetched anew is found again by what it leads to or is called.
  const placeOf = (element) => {
    for (const name of ['href', 'aria-label']) {
      const value = element.getAttribute(name);
      if (value === null) continue;
      const alike = `main ${element.localName}[${name}="${CSS.escape(value)}"]`;
      const index = [...document.querySelectorAll(alike)].indexOf(element);
      if (index >= 0) return { alike, index };
    }
    return undefined;
  };
  // A part that is as it was stays untouched.
  let shown;
  let focused;
  document.body.addEventListener('htmx:beforeSwap', ({ detail }) => {
    if (!isByItself(detail.requestConfig)) return;
    if (detail.requestConfig.triggeringEvent !== undefined) {
      if (shown === detail.serverResponse) detail.shouldSwap = false;
      shown = detail.serverResponse;
    }
    focused = placeOf(document.activeElement);
  });
  document.body.addEventListener('htmx:afterSwap', ({ detail }) => {
    dress(detail.elt);
    if (focused === undefined || document.activeElement !== document.body) return;
    document.querySelectorAll(focused.alike)[focused.index]?.focus({ preventScroll: true });
  });

  // On a phone the menus are broader than the screen: what is shown stands in their middle.
  for (const current of document.querySelectorAll('nav a[aria-current="page"]')) {
    const nav = current.closest('nav');
    nav.scrollLeft = current.offsetLeft - (nav.clientWidth - current.clientWidth) / 2;
  }

  dress(document);
  setInterval(() => showTimes(document), 15_000);
})();
