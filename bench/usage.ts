import { readdirSync, readFileSync } from 'node:fs';

/** What processes take of the machine, from /proc: known on Linux only. */

/** Linux counts a process's time in 1/100 s wherever Node runs. */
const ticksPerSecond = 100;
const megabyte = 1024 * 1024;
/** Of memory, wherever Node.js runs on Linux with its own binaries. */
const pageBytes = 4_096;

/** Fields of proc_pid_stat(5) from the third on: those before end with the command's closing bracket. */
function statOf(pid: number | string): string[] | undefined {
  try {
    return readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)?.split(' ');
  } catch {
    return undefined;
  }
}

/** The sum of fields by their numbers in proc_pid_stat(5), as seconds. */
const secondsOf = (stat: readonly string[], ...fields: number[]): number =>
  fields.reduce((sum, field) => sum + Number(stat[field - 3]), 0) / ticksPerSecond;

/** Processor seconds the process has used, all threads; undefined where there is no /proc. */
export function processorSeconds(pid: number): number | undefined {
  const stat = statOf(pid);
  return stat && secondsOf(stat, 14, 15);
}

/** The same of a process with all its children, ended ones among them: PostgreSQL has one for each connection. */
export function familyProcessorSeconds(pid: number): number | undefined {
  const parent = statOf(pid);
  if (!parent) return undefined;
  let seconds = secondsOf(parent, 14, 15, 16, 17);
  for (const name of readdirSync('/proc')) {
    const stat = /^\d+$/.test(name) ? statOf(name) : undefined;
    if (stat?.[1] === String(pid)) seconds += secondsOf(stat, 14, 15);
  }
  return seconds;
}

/**
 * Processor seconds that the machine has used, of all processes and of the kernel, and that its host has kept from it; undefined
 * where there is no /proc.
 */
export function machineProcessorSeconds(): number | undefined {
  try {
    const fields = readFileSync('/proc/stat', 'utf8').split('\n')[0]!.split(/ +/).slice(1).map(Number);
    const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0, steal = 0] = fields;
    return (user + nice + system + irq + softirq + steal) / ticksPerSecond;
  } catch {
    return undefined;
  }
}

/** Resident memory in MiB. */
export function residentMegabytes(pid: number): number | undefined {
  const resident = statOf(pid)?.[24 - 3];
  return resident === undefined ? undefined : (Number(resident) * pageBytes) / megabyte;
}

export interface Processes {
  readonly gateway: number;
  readonly intune: number;
  readonly postgres: number;
}

/** Processors that were busy, by process. */
export type Usage = Readonly<Record<keyof Processes, number | undefined>>;

/** Begins to measure; the function ends it. */
export function startUsage({ gateway, intune, postgres }: Processes): () => Usage {
  const read = (): Usage => ({
    gateway: processorSeconds(gateway),
    intune: processorSeconds(intune),
    postgres: familyProcessorSeconds(postgres),
  });
  const before = read();
  const started = performance.now();
  return () => {
    const after = read();
    const seconds = (performance.now() - started) / 1_000;
    const busy = (name: keyof Processes): number | undefined => {
      const [from, to] = [before[name], after[name]];
      return from === undefined || to === undefined ? undefined : (to - from) / seconds;
    };
    return { gateway: busy('gateway'), intune: busy('intune'), postgres: busy('postgres') };
  };
}

export interface MemoryCourse {
  readonly minMegabytes: number;
  readonly medianMegabytes: number;
  readonly maxMegabytes: number;
  readonly firstMegabytes: number;
  readonly lastMegabytes: number;
  /** Of the straight line through all samples. */
  readonly megabytesPerMinute: number;
  readonly samples: number;
}

function slopePerSample(values: readonly number[]): number {
  const middle = (values.length - 1) / 2;
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  let above = 0;
  let below = 0;
  for (const [index, value] of values.entries()) {
    above += (index - middle) * (value - mean);
    below += (index - middle) ** 2;
  }
  return below === 0 ? 0 : above / below;
}

const sampleMs = 1_000;

/** Samples a process's memory every second; the function ends it. Undefined where there is no /proc. */
export function startMemory(pid: number): () => MemoryCourse | undefined {
  const values: number[] = [];
  const sample = (): void => {
    const value = residentMegabytes(pid);
    if (value !== undefined) values.push(value);
  };
  sample();
  // What is measured may fail before it is ended: that must not keep the process.
  const timer = setInterval(sample, sampleMs).unref();
  return () => {
    clearInterval(timer);
    sample();
    const sorted = values.toSorted((a, b) => a - b);
    const [first, last] = [values[0], values.at(-1)];
    if (first === undefined || last === undefined) return undefined;
    return {
      minMegabytes: sorted[0] ?? 0,
      medianMegabytes: sorted[Math.floor(sorted.length / 2)] ?? 0,
      maxMegabytes: sorted.at(-1) ?? 0,
      firstMegabytes: first,
      lastMegabytes: last,
      megabytesPerMinute: slopePerSample(values) * (60_000 / sampleMs),
      samples: values.length,
    };
  };
}
