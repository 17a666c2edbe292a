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
  const relative = new Intl.RelativeTimeFormat(document.documentElement.lang, { numeric: 'auto' });
  const exact = new Intl.DateTimeFormat(document.documentElement.lang, {
    dateStyle: 'medium',
    timeStyle: 'long',
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
      element.textContent = ago(at);
      element.title = exact.format(at);
    }
  };

  const addCopy = (root) => {
    for (const element of root.querySelectorAll('[data-copy]')) {
      if (element.nextElementSibling?.classList.contains('copy')) continue;
      const button = document.createElement('button');
      button.type = 'button';
      button.className = 'copy';
      button.textContent = 'Copy';
      button.setAttribute('aria-label', `Copy ${element.textContent.slice(0, 60)}`);
      button.addEventListener('click', async () => {
        await navigator.clipboard.writeText(element.textContent);
        button.textContent = 'Copied';
        setTimeout(() => {
          button.textContent = 'Copy';
        }, 1_500);
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

  const dress = (root) => {
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

  dress(document);
  document.body.addEventListener('htmx:afterSwap', (event) => dress(event.detail.elt));
  setInterval(() => showTimes(document), 15_000);
})();
