import type { UpstreamHead } from '../outbound/upstream.ts';
import type { Problem } from '../problems.ts';
import { checkDeviceAnswer } from './check-answer.ts';
import { crossingLines } from './headers.ts';

/**
 * What the head of an answer to a device call comes to. It depends on nothing but the head, so it is noted there: where
 * an upstream finds the same head again, nothing is looked at anew.
 */
export class DeviceAnswer {
  /** Why it may not be passed on. */
  readonly problem: Problem | undefined;
  /** Headers for the caller, `name: value\r\n` each: those that cross, and Espalier's own that are always the same. */
  readonly lines: string;

  constructor(head: UpstreamHead) {
    this.problem = checkDeviceAnswer(head);
    this.lines =
      this.problem === undefined
        ? `cache-control: no-store\r\n${crossingLines(head)}x-content-type-options: nosniff\r\n`
        : '';
  }
}

export function deviceAnswerOf(head: UpstreamHead): DeviceAnswer {
  const { note } = head;
  if (note instanceof DeviceAnswer) return note;
  const made = new DeviceAnswer(head);
  head.note = made;
  return made;
}
