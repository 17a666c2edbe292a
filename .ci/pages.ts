import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';

/**
 * Pages of the documentation stay readable: their number of words is bounded, each begins with whom it is for, every
 * link leads to a page and a heading that are there, and pages that the code names and files that pages name exist. Exits 1 with a line a fault.
 */

const root = join(import.meta.dirname, '..');

/** Of README.md and docs/*.md without what `npm run docs` makes. A rule of a table or a dash is no word. */
export const maxWords = 32_000;
/** README.md is for a reader with two minutes. */
export const maxReadmeWords = 700;
const generated = ['claims', 'cli', 'entra-errors', 'events', 'settings', 'tables'].map(
  (name) => `docs/${name}.md`,
);

export const wordsOf = (text: string): number =>
  text.split(/\s+/).filter((word) => /[\p{Letter}\p{Number}]/u.test(word)).length;

/** The address that a heading has, as GitHub makes it. */
export const anchorOf = (heading: string): string =>
  heading
    .replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1')
    .toLowerCase()
    .replaceAll(/[^\p{Letter}\p{Number} _-]/gu, '')
    .replaceAll(' ', '-');

const withoutCode = (text: string): string => text.replaceAll(/^ *```[\s\S]*?^ *```$/gm, '');

export const anchorsOf = (text: string): string[] =>
  [...withoutCode(text).matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) => anchorOf(heading));

/** Targets of links and pictures that are no addresses of elsewhere. */
export const linksOf = (text: string): string[] =>
  [...withoutCode(text).matchAll(/\]\(([^)\s]+)\)/g)]
    .map(([, target = '']) => target)
    .filter((target) => !/^[a-z]+:/.test(target));

export interface Pages {
  readonly read: (path: string) => string | undefined;
}

export function brokenLinks(path: string, text: string, { read }: Pages): string[] {
  return linksOf(text).flatMap((target) => {
    const [file = '', anchor] = target.split('#');
    const to = file === '' ? path : relative(root, join(root, dirname(path), file));
    const content = read(to);
    if (content === undefined) return [`${path}: ${target} leads to nothing`];
    if (anchor === undefined || !to.endsWith('.md') || anchorsOf(content).includes(anchor)) return [];
    return [`${path}: ${target} has no such heading`];
  });
}

/** The first paragraph says whom the page is for. */
export const saysForWhom = (text: string): boolean => /^For [a-z]/.test(text.split('\n\n')[1] ?? '');

function filesBelow(folder: string, ending: RegExp): string[] {
  return readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && ending.test(entry.name))
    .map((entry) => relative(root, join(entry.parentPath, entry.name)));
}

const readPage = (path: string): string | undefined => {
  const file = join(root, path);
  if (!existsSync(file)) return undefined;
  return path.endsWith('.md') ? readFileSync(file, 'utf8') : '';
};

function wordFaults(): string[] {
  const pages = ['README.md', ...filesBelow('docs', /\.md$/).filter((path) => dirname(path) === 'docs')];
  const counted = pages.filter((path) => !generated.includes(path));
  const total = counted.reduce((sum, path) => sum + wordsOf(readPage(path) ?? ''), 0);
  const readme = wordsOf(readPage('README.md') ?? '');
  return [
    ...(total > maxWords ? [`README.md and docs/*.md have ${total} words, ${maxWords} are the bound`] : []),
    ...(readme > maxReadmeWords ? [`README.md has ${readme} words, ${maxReadmeWords} are the bound`] : []),
  ];
}

function readerFaults(): string[] {
  return filesBelow('docs', /\.md$/)
    .filter((path) => dirname(path) === 'docs')
    .filter((path) => !saysForWhom(readPage(path) ?? ''))
    .map((path) => `${path}: the first paragraph does not begin with whom the page is for`);
}

/** Comments and messages name pages as `docs/<page>.md`. */
function nameFaults(): string[] {
  const sources = ['src', 'test', '.ci', 'bench', 'deploy'].flatMap((folder) =>
    filesBelow(folder, /\.(?:ts|yml|json)$/),
  );
  return [...sources, 'Dockerfile', 'wrangler.toml', 'wrangler.admin.toml'].flatMap((path) => {
    const text = readFileSync(join(root, path), 'utf8');
    return [...text.matchAll(/docs\/[\w/-]+\.md\b/g)]
      .filter(([page]) => !existsSync(join(root, page)))
      .map(([page]) => `${path} names ${page}, which is not there`);
  });
}

/** Pages name files of the checkout, such as the test that rehearses a procedure. */
function fileFaults(): string[] {
  return ['README.md', 'CONTRIBUTING.md', ...filesBelow('docs', /\.md$/)].flatMap((path) =>
    [...(readPage(path) ?? '').matchAll(/`((?:src|test|bench|deploy|\.ci)\/[\w./-]+\.\w+)`/g)]
      .filter(([, file = '']) => !existsSync(join(root, file)))
      .map(([, file = '']) => `${path} names ${file}, which is not there`),
  );
}

function pageFaults(): string[] {
  const pages = [
    'README.md',
    'CONTRIBUTING.md',
    'SECURITY.md',
    'CHANGELOG.md',
    ...filesBelow('docs', /\.md$/),
  ];
  return [
    ...pages.flatMap((path) => brokenLinks(path, readPage(path) ?? '', { read: readPage })),
    ...wordFaults(),
    ...readerFaults(),
    ...nameFaults(),
    ...fileFaults(),
  ];
}

if (import.meta.main) {
  const faults = pageFaults();
  for (const found of faults) console.error(found);
  process.exitCode = faults.length > 0 ? 1 : 0;
}
