import { type Answer, call } from './http.ts';

/** A person's browser: keeps cookies by host, and goes where redirects lead when it is told to. */
export interface Browser {
  /** By name; a test may take one away or put one there. */
  readonly cookies: Map<string, string>;
  /** Every `Set-Cookie` so far, whole. */
  readonly set: string[];
  open(url: string, headers?: Record<string, string>): Promise<Answer>;
  submit(url: string, form: Record<string, string>, headers?: Record<string, string>): Promise<Answer>;
  /** Any request, with the cookies. */
  send(method: string, url: string, headers?: Record<string, string>, body?: string): Promise<Answer>;
  /** Follows redirects from this answer until a page comes, and resolves to it. */
  follow(answer: Answer, from: string): Promise<Answer & { readonly url: string }>;
}

const maxRedirects = 10;

/** All hosts of a test are `localhost`, so one jar serves; ports make no difference to a cookie. */
export function createBrowser(ca: string[], language = 'en'): Browser {
  const cookies = new Map<string, string>();
  const set: string[] = [];
  const keep = (answer: Answer): void => {
    for (const line of [answer.headers['set-cookie'] ?? []].flat()) {
      set.push(line);
      const [pair = '', ...attributes] = line.split(/;\s*/);
      const name = pair.slice(0, pair.indexOf('='));
      const gone = attributes.some((attribute) => /^max-age=0$/i.test(attribute));
      if (gone) cookies.delete(name);
      else cookies.set(name, pair.slice(name.length + 1));
    }
  };
  const send: Browser['send'] = async (method, url, headers = {}, body) => {
    const jar = [...cookies].map(([name, value]) => `${name}=${value}`).join('; ');
    const answer = await call(url, {
      method,
      ca,
      headers: {
        accept: 'text/html',
        'accept-language': language,
        ...(jar === '' ? {} : { cookie: jar }),
        ...headers,
      },
      ...(body === undefined ? {} : { body }),
    });
    keep(answer);
    return answer;
  };
  const open: Browser['open'] = (url, headers) => send('GET', url, headers);
  return {
    cookies,
    set,
    send,
    open,
    submit: (url, form, headers) =>
      send(
        'POST',
        url,
        {
          origin: new URL(url).origin,
          'sec-fetch-site': 'same-origin',
          'content-type': 'application/x-www-form-urlencoded',
          ...headers,
        },
        new URLSearchParams(form).toString(),
      ),
    follow: async (first, from) => {
      let answer = first;
      let url = from;
      for (let hop = 0; hop < maxRedirects; hop += 1) {
        if (![302, 303].includes(answer.status)) return { ...answer, url };
        url = new URL(String(answer.headers.location), url).href;
        answer = await open(url, { 'sec-fetch-site': 'cross-site' });
      }
      throw new Error('the redirects do not end');
    },
  };
}

/** Signs in at the gateway by the simulated Microsoft; resolves to the page that it ends with. */
export async function signIn(
  browser: Browser,
  admin: string,
  account: string,
  query = '',
): Promise<Answer & { readonly url: string }> {
  const start = `${admin}/sign-in/start${query}`;
  const begun = await browser.open(start);
  if (begun.status !== 303) return { ...begun, url: start };
  const microsoft = String(begun.headers.location);
  const chosen = await browser.submit(microsoft, { username: account });
  return browser.follow(chosen, microsoft);
}
