/** Where the demo tells people how it goes. */
export interface DemoOutput {
  /** A line that stays. */
  say(line: string): void;
  /** The one line that is written over on a terminal; elsewhere a line every few seconds. */
  status(line: string): void;
  /** Ends the line that is written over. */
  settle(): void;
}

const everyMs = 5000;

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
    status: (line) => {
      if (stream.isTTY) {
        // Back to the line's begin, and clear it.
        stream.write(`\r\u001b[2K${line}`);
        isOpen = true;
        return;
      }
      if (performance.now() - lastAtMs < everyMs && lastAtMs > 0) return;
      lastAtMs = performance.now();
      stream.write(`${line}\n`);
    },
  };
}
