import { mkdirSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { openBrowser } from '../harness/chromium.ts';
import { adminOrigin } from '../harness/console.ts';
import { customerNamed, instanceNamed, type Showroom } from './seed.ts';

/** Which pages docs/console.md shows, and how their pictures are taken. */

const folder = fileURLToPath(new URL('../../docs/images/console/', import.meta.url));

interface Picture {
  /** Of the file, without its extension. */
  readonly name: string;
  readonly path: string;
  readonly dark?: boolean;
  readonly narrow?: boolean;
  /** Opens, fills or scrolls what the picture is about. */
  readonly prepare?: (page: Page) => Promise<unknown>;
  /** The part of the page that is shown; default: the page from its top. */
  readonly of?: string;
  /** Pixels of the page, at most. */
  readonly height?: number;
}

function picturesOf(showroom: Showroom): readonly Picture[] {
  const { approvalId, disputedDeviceId, moveId } = showroom;
  const pageOf = (name: string): string => `/tenants/${customerNamed(showroom, name).tenantId}`;
  const bergmann = pageOf('Bergmann Logistik');
  const hamburg = instanceNamed(customerNamed(showroom, 'Bergmann Logistik'), 'hamburg').id;
  const mac = `${bergmann}/devices/${disputedDeviceId}`;
  return [
    { name: 'sign-in', path: '/sign-in', height: 620 },
    { name: 'overview', path: '/', height: 1_180 },
    { name: 'overview-narrow', path: '/', narrow: true, height: 1_100 },
    { name: 'search', path: '/search?q=ham', height: 420 },
    { name: 'consents', path: `${showroom.beginning}/connect`, height: 960 },
    { name: 'tenant', path: `${bergmann}?range=week`, height: 1_260 },
    { name: 'disconnect', path: `${bergmann}/actions/disconnect`, height: 900 },
    { name: 'instance', path: `${bergmann}/instances/${hamburg}`, height: 1_400 },
    { name: 'devices', path: `${bergmann}/devices`, height: 760 },
    { name: 'device', path: mac, height: 1_560 },
    { name: 'device-dark', path: mac, dark: true, of: '#timeline' },
    { name: 'move', path: `${bergmann}/moves/${moveId}`, height: 1_300 },
    { name: 'reports', path: '/reports', height: 760 },
    { name: 'approval', path: `/approvals/${approvalId}`, height: 760 },
    {
      name: 'history',
      path: `/history?${new URLSearchParams({ author: 'key Tomás Rey' })}`,
      height: 860,
      prepare: (page) => page.locator('main details summary').first().click(),
    },
  ];
}

const scale = 1.5;
const quality = 80;

/** Addresses of this machine, which change with every run, as those of an installation. */
async function dressAddresses(
  page: Page,
  names: readonly (readonly [from: string, to: string])[],
): Promise<void> {
  await page.evaluate(
    `((names) => {
      const dressed = (text) => names.reduce((said, [from, to]) => said.replaceAll(from, to), text);
      const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
      while (walker.nextNode()) walker.currentNode.data = dressed(walker.currentNode.data);
      for (const input of document.querySelectorAll('input')) input.setAttribute('value', dressed(input.value));
    })(${JSON.stringify(names)})`,
  );
}

/** What flickers, blinks or waits for the pointer is no part of a picture. */
const still =
  '*, *::before, *::after { animation: none !important; transition: none !important; caret-color: transparent !important }';

async function shoot(page: Page, picture: Picture): Promise<Buffer> {
  const box = picture.of === undefined ? undefined : await page.locator(picture.of).boundingBox();
  const width = page.viewportSize()!.width;
  const whole = Number(await page.evaluate('document.documentElement.scrollHeight'));
  const clip = box
    ? {
        x: Math.max(0, box.x - 16),
        y: box.y - 16,
        width: Math.min(width, box.width + 32),
        height: box.height + 32,
      }
    : { x: 0, y: 0, width, height: Math.min(whole, picture.height ?? whole) };
  // Playwright knows png and jpeg; the browser itself also writes webp, which is a third of a png.
  const session = await page.context().newCDPSession(page);
  const { data } = await session.send('Page.captureScreenshot', {
    format: 'webp',
    quality,
    captureBeyondViewport: true,
    clip: { ...clip, scale: 1 },
  });
  await session.detach();
  return Buffer.from(data, 'base64');
}

type Session = Exclude<NonNullable<BrowserContextOptions['storageState']>, string>;

/** One for all pictures: each sign-in is an entry of the history that they show. */
async function signIn(browser: Browser, origin: string, key: string): Promise<Session> {
  const context = await browser.newContext({ ignoreHTTPSErrors: true });
  const page = await context.newPage();
  await page.goto(`${origin}/sign-in`);
  await page.fill('#key', key);
  await page.click('form.key button');
  await page.waitForURL(`${origin}/`);
  const state = await context.storageState();
  await context.close();
  return state;
}

interface Studio {
  readonly browser: Browser;
  readonly origin: string;
  readonly showroom: Showroom;
  readonly session: Session;
}

async function take({ browser, origin, session, showroom }: Studio, picture: Picture): Promise<Buffer> {
  const options: BrowserContextOptions = {
    ignoreHTTPSErrors: true,
    // For the style sheet above alone.
    bypassCSP: true,
    locale: 'en-GB',
    timezoneId: 'Europe/Berlin',
    colorScheme: picture.dark === true ? 'dark' : 'light',
    reducedMotion: 'reduce',
    viewport: { width: picture.narrow === true ? 390 : 1280, height: 800 },
    deviceScaleFactor: scale,
    ...(picture.path === '/sign-in' ? {} : { storageState: session }),
  };
  const context = await browser.newContext(options);
  try {
    const page = await context.newPage();
    const answer = await page.goto(origin + picture.path);
    if (answer?.status() !== 200) throw new Error(`${picture.path} answers ${answer?.status()}`);
    await page.addStyleTag({ content: still });
    await picture.prepare?.(page);
    await page.mouse.move(0, 0);
    await dressAddresses(page, showroom.addresses);
    return await shoot(page, picture);
  } finally {
    await context.close();
  }
}

export async function takePictures(showroom: Showroom, only?: string): Promise<void> {
  const pictures = picturesOf(showroom).filter(({ name }) => only === undefined || name === only);
  if (pictures.length === 0) throw new Error(`no picture is called ${only}`);
  mkdirSync(folder, { recursive: true });
  const browser = await openBrowser();
  try {
    const origin = adminOrigin(showroom.scene);
    const session = await signIn(browser, origin, showroom.mara.key);
    const studio = { browser, origin, session, showroom };
    for (const picture of pictures) {
      const image = await take(studio, picture);
      writeFileSync(`${folder}${picture.name}.webp`, image);
      console.log(`${picture.name}.webp  ${Math.round(image.length / 1_000)} kB`);
    }
  } finally {
    await browser.close();
  }
}
