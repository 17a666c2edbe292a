/** Output of the demo's progress for people. */
export interface DemoOutput {
  /** A line that stays. */
  say(line: string): void;
  /** The one line that is written over on a terminal; elsewhere a line every few seconds. */
  status(line: string): void;
  /** The last of such lines, which stays. */
  lastStatus(line: string): void;
  /** Ends the line that is written over. */
  settle(): void;
}

const everyMs = 5000;
/** Back to the begin of the line, and clear it. */
const rewind = '\r\u001b[2K';

export function createDemoOutput(stream: NodeJS.WriteStream): DemoOutput {
  let isOpen = false;
  let lastAtMs = 0;
  const settle = (): void => {
    if (isOpen) stream.write('\n');
    isOpen = false;
  };
  return {
    settle,
    say: (line) => {
      settle();
      stream.write(`${line}\n`);
    },
    lastStatus: (line) => {
      // The line before is an older state of the same.
      stream.write(isOpen ? `${rewind}${line}\n` : `${line}\n`);
      isOpen = false;
    },
    status: (line) => {
      if (stream.isTTY) {
        stream.write(`${rewind}${line}`);
        isOpen = true;
        return;
      }
      if (performance.now() - lastAtMs < everyMs && lastAtMs > 0) return;
      lastAtMs = performance.now();
      stream.write(`${line}\n`);
    },
  };
}
