/**
 * The check-ins that a process remembers until the period of their computer ends: in slots of time, so that the end of a
 * period is found without looking at the others.
 *
 * They are bounded. A tenant may hold as many as are free, so a storm of one tenant's takes half of the room at most and
 * pushes out nobody's: what finds no room is not remembered, and is read at once.
 */

export interface Remembered {
  /** Time of the last check-in, and time by which the computer is to be read; milliseconds of a clock that never goes back. */
  checkedInAtMs: number;
  endsAtMs: number;
}

/** What is remembered of one instance. */
export interface RememberedInstance<Of> {
  readonly of: Of;
  readonly computers: Map<number, Remembered>;
}

export interface Ended<Of> {
  readonly instance: RememberedInstance<Of>;
  readonly jamfComputerId: number;
  readonly remembered: Remembered;
}

interface Options {
  readonly max: number;
  readonly slotMs: number;
}

export function createRemembered<Of extends { readonly tenantId: string }>({ max, slotMs }: Options) {
  const slots = new Map<number, [RememberedInstance<Of>, number][]>();
  const ofTenants = new Map<string, number>();
  let size = 0;
  let oldestSlot = Number.NEGATIVE_INFINITY;

  const count = (tenantId: string, change: number): void => {
    size += change;
    const left = (ofTenants.get(tenantId) ?? 0) + change;
    if (left === 0) ofTenants.delete(tenantId);
    else ofTenants.set(tenantId, left);
  };
  const place = (instance: RememberedInstance<Of>, jamfComputerId: number, endsAtMs: number): void => {
    const slot = Math.max(Math.ceil(endsAtMs / slotMs), oldestSlot + 1);
    const placed = slots.get(slot);
    if (placed) placed.push([instance, jamfComputerId]);
    else slots.set(slot, [[instance, jamfComputerId]]);
  };

  return {
    size: (): number => size,
    /** False: there is no room for it. What was here already comes back (`force`) whatever room there is. */
    add: (
      instance: RememberedInstance<Of>,
      jamfComputerId: number,
      given: Remembered,
      force = false,
    ): boolean => {
      const known = instance.computers.get(jamfComputerId);
      if (known) {
        known.checkedInAtMs = Math.max(known.checkedInAtMs, given.checkedInAtMs);
        // It stands in the slot of its first end, and is placed anew when that has come.
        known.endsAtMs = given.endsAtMs;
        return true;
      }
      const { tenantId } = instance.of;
      if (!force && (ofTenants.get(tenantId) ?? 0) >= max - size) return false;
      instance.computers.set(jamfComputerId, { ...given });
      count(tenantId, 1);
      place(instance, jamfComputerId, given.endsAtMs);
      return true;
    },
    /** Takes those whose period has ended. */
    takeEnded: (nowMs: number): Ended<Of>[] => {
      const upTo = Math.floor(nowMs / slotMs);
      const ended: Ended<Of>[] = [];
      const due = [...slots.keys()].filter((slot) => slot <= upTo);
      oldestSlot = Math.max(oldestSlot, upTo);
      for (const slot of due) {
        const placed = slots.get(slot) ?? [];
        slots.delete(slot);
        for (const [instance, jamfComputerId] of placed) {
          const remembered = instance.computers.get(jamfComputerId);
          if (!remembered) continue;
          if (Math.ceil(remembered.endsAtMs / slotMs) > upTo) {
            place(instance, jamfComputerId, remembered.endsAtMs);
            continue;
          }
          instance.computers.delete(jamfComputerId);
          count(instance.of.tenantId, -1);
          ended.push({ instance, jamfComputerId, remembered });
        }
      }
      return ended;
    },
  };
}

export type RememberedCheckIns<Of extends { readonly tenantId: string }> = ReturnType<
  typeof createRemembered<Of>
>;
