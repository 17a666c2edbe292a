import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/**
 * `npm run docs:terminal`: the picture of a terminal in README.md, made of what a demo really prints. Exit 0 made, 1 when
 * the demo did not serve every device right; then the picture stays as it was.
 */

const root = join(import.meta.dirname, '../..');
const picture = join(root, 'docs/images/demo.svg');
const columns = 96;
const lineHeight = 19;
const charWidth = 8.43;

const escaped = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
const cut = (line: string): string => (line.length > columns ? `${line.slice(0, columns - 1)}…` : line);

/** Lines of the demo as they came, without the summary for programs, which is its last line on standard output. */
async function runDemo(): Promise<{ lines: string[]; code: number }> {
  const dir = mkdtempSync(join(tmpdir(), 'espalier-terminal-'));
  try {
    const demo = spawn(
      process.execPath,
      ['src/cli/main.ts', 'demo', '--once', '--data-dir', join(dir, 'demo')],
      { cwd: root, stdio: ['ignore', 'ignore', 'pipe'] },
    );
    let output = '';
    demo.stderr.on('data', (chunk: Buffer) => {
      output += chunk.toString('utf8');
    });
    const code = await new Promise<number>((resolve, reject) => {
      demo.once('error', reject);
      demo.once('close', (status) => resolve(status ?? 1));
    });
    return { lines: output.trimEnd().split('\n'), code };
  } finally {
    rmSync(dir, { recursive: true, force: true, maxRetries: 10, retryDelay: 500 });
  }
}

function svgOf(lines: readonly string[]): string {
  const width = Math.ceil(columns * charWidth) + 40;
  const height = lines.length * lineHeight + 62;
  const texts = lines.map((line, index) => {
    const y = 58 + index * lineHeight;
    const kind = line.startsWith('$') ? ' class="typed"' : '';
    return `  <text x="20" y="${y}"${kind} xml:space="preserve">${escaped(cut(line))}</text>`;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" role="img" aria-label="A run of the demo in a terminal">
  <style>text { font: 14px ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; fill: #d5dde3 } .typed { fill: #8fd3a8 }</style>
  <rect width="${width}" height="${height}" rx="8" fill="#1b232a"/>
  <circle cx="22" cy="20" r="5" fill="#4a5862"/><circle cx="40" cy="20" r="5" fill="#4a5862"/><circle cx="58" cy="20" r="5" fill="#4a5862"/>
${texts.join('\n')}
</svg>
`;
}

const { code, lines } = await runDemo();
if (code === 0) writeFileSync(picture, svgOf(['$ npm start -- --once', ...lines]));
else console.error(lines.join('\n'));
process.exitCode = code === 0 ? 0 : 1;
