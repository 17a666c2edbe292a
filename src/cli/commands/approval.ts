/** A large change is answered 202 under `ESPALIER_APPROVALS=on` and waits for another operator (contract section 3). */

import { isRow } from '../output/fields.ts';
import type { Output } from '../output/output.ts';

export function sayIfWaiting(output: Output, answer: unknown): boolean {
  if (!isRow(answer) || typeof answer.approvalId !== 'string' || answer.state !== 'waiting') return false;
  const { approvalId, devices, expiresAt } = answer;
  output.say(
    [
      `Nothing is changed yet: this touches ${String(devices)} devices and waits until ${String(expiresAt)} for another operator.`,
      `  another operator's key: espalier approvals approve ${approvalId}`,
      `  to see where it stands: espalier approvals show ${approvalId}`,
      `  to take it back: espalier approvals reject ${approvalId}`,
    ].join('\n'),
  );
  return true;
}
