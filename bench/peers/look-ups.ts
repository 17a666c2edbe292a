/** How often the gateway found a route in its memory, from its own metrics. */
export interface LookUps {
  readonly all: number;
  /** Those for which the database was asked. */
  readonly missed: number;
}

/** `ops`: base URL of the gateway's ops listener. */
export async function readLookUps(ops: string): Promise<LookUps> {
  const text = await (await fetch(`${ops}/metrics`)).text();
  const counts = new Map<string, number>();
  for (const [, result = '', value] of text.matchAll(
    /^espalier_route_lookups_total\{[^}]*result="([a-z-]+)"[^}]*\} ([\d.e+]+)/gm,
  ))
    counts.set(result, (counts.get(result) ?? 0) + Number(value));
  return {
    all: [...counts.values()].reduce((sum, count) => sum + count, 0),
    missed: counts.get('miss') ?? 0,
  };
}

export const between = (from: LookUps, to: LookUps): LookUps => ({
  all: to.all - from.all,
  missed: to.missed - from.missed,
});

export const missedShare = ({ all, missed }: LookUps): number => (all === 0 ? Number.NaN : missed / all);
