import type { DueReport } from '../../store/reports/report-row.ts';

/** Groups the leased reports that go together: the devices of one message. Pure. */

/** Above what an upload may weigh (domain/microsoft.md 4.4: 1 MB as ceiling), counted before its entities are made. */
const messageBytes = 400_000;

/** A single device's message that was replaced before its outcome was known: the newer state takes its place. */
const isReplaced = (row: DueReport): boolean => row.messageDevices === 1 && row.revision !== row.sentRevision;

/** True where this row's message has to be sent again as it is before anything else is reported of the device. */
export const isOpen = (row: DueReport): boolean =>
  row.messageOpen && row.messageId !== null && row.sentContent !== null && !isReplaced(row);

const append = (groups: Map<string, DueReport[]>, key: string, row: DueReport): void => {
  const group = groups.get(key);
  if (group) group.push(row);
  else groups.set(key, [row]);
};

/** Reports to be told, cut into messages of at most `maxDevices` devices of one tenant. */
function cut(rows: readonly DueReport[], maxDevices: number): DueReport[][] {
  const groups: DueReport[][] = [];
  let current: DueReport[] = [];
  let bytes = 0;
  for (const row of rows) {
    const full = current.length >= maxDevices || bytes + row.content.length > messageBytes;
    if (current.length > 0 && full) {
      groups.push(current);
      current = [];
      bytes = 0;
    }
    current.push(row);
    bytes += row.content.length;
  }
  return current.length > 0 ? [...groups, current] : groups;
}

/**
 * Open messages and messages whose status is looked up stay whole, each completed report is verified on its own, a
 * report that had blocked others goes alone, and what is new is put together.
 */
export function unitsOf(rows: readonly DueReport[], maxDevices: number): DueReport[][] {
  const messages = new Map<string, DueReport[]>();
  const fresh = new Map<string, DueReport[]>();
  const single: DueReport[][] = [];
  for (const row of rows) {
    const schedule = `${row.tenantId}/${row.background}`;
    if (isOpen(row)) append(messages, `open/${row.messageId}`, row);
    else if (row.state === 'accepted' && row.messageId !== null)
      append(messages, `accepted/${row.messageId}/${schedule}`, row);
    else if (row.alone || row.state === 'completed') single.push([row]);
    else append(fresh, schedule, row);
  }
  return [...messages.values(), ...single, ...[...fresh.values()].flatMap((group) => cut(group, maxDevices))];
}
