import type { Owner } from '../../problems.ts';
import { columns, pick } from '../../store/columns.ts';
import type { Queries } from '../../store/database.ts';
import { instances } from '../../store/schema.ts';

/** Explains why computers of a tenant wait to be read, which an operator sees beside the size of the backlog. */

/** Reason why some computers of one instance wait. */
export interface BacklogCause {
  readonly instanceId: string;
  readonly instance: string;
  /**
   * `instance-disabled`, `instance-paused`, `instance-fails` (the instance failed others lately), `in-turn` (nothing is
   * wrong), `espalier-error`, or what the instance failed these with: `not-found`, `unreachable`, `timeout`, and so on.
   */
  readonly cause: string;
  readonly detail: string;
  readonly owner: Owner;
  readonly computers: number;
  /** Time since which the first of them waits; null where it is not recorded. */
  readonly since: Date | null;
  /** Time of the instance's last usable answer to anything; null: never. */
  readonly lastAnswerAt: Date | null;
  /** Time of the first one's next try; null where none is planned. */
  readonly nextTryAt: Date | null;
}

interface Waiting {
  readonly instanceId: string;
  readonly instance: string;
  readonly enabled: boolean;
  readonly paused: boolean;
  readonly instanceError: string | null;
  /** Error of the newest try. */
  readonly error: string | null;
  readonly kind: string | null;
  readonly computers: number;
  readonly since: Date | null;
  readonly lastAnswerAt: Date | null;
  readonly nextTryAt: Date | null;
}

/** Groups of computers that are told; a tenant with hundreds of failing instances has one cause in truth. */
const maxCauses = 100;

/** The text of a failed read begins with its kind; any other text is an error of our own. */
const readWaiting = (sql: Queries, tenantId: string) => sql<Waiting[]>`
  select ${columns(sql, pick(instances, 'instanceId'))}, min(name) as instance, bool_and(enabled) as enabled, bool_or(paused) as paused,
    min(instance_error) as "instanceError", kind, (array_agg(last_error order by updated_at desc))[1] as error,
    count(*)::int as computers, min(waits_since) as since, max(last_seen_at) as "lastAnswerAt", min(next_try_at) as "nextTryAt"
  from (
    select i.instance_id, i.name, i.enabled, i.paused, i.last_error as instance_error, i.last_seen_at,
      c.last_error, c.updated_at, c.next_try_at,
      coalesce(c.not_found_since, c.received_at, case when c.done_revision = 0 then c.first_seen_at end) as waits_since,
      case when i.paused or not i.enabled or c.last_error is null then null
           when c.last_error ~ '^[a-z]+(-[a-z]+)*: ' then split_part(c.last_error, ':', 1)
           else 'espalier-error' end as kind
    from computers c join instances i on i.tenant_id = c.tenant_id and i.instance_id = c.instance_id
    where c.tenant_id = ${tenantId} and c.wanted_revision > c.done_revision and c.next_try_at is not null
  ) waiting
  group by instance_id, kind
  order by count(*) desc, min(name), kind limit ${maxCauses}`;

const notFound =
  'the instance does not know these computers (yet, or any more): each is asked for again every 15 s, and after 90 s taken for deleted';
const inTurn =
  'reads take their turn: at most ESPALIER_JAMF_CONCURRENCY requests to an instance at a time (5 unless set), what is fresh before imports and replays';

function causeOf(row: Waiting): Pick<BacklogCause, 'cause' | 'detail' | 'owner'> {
  const { enabled, error, instanceError, kind, paused } = row;
  if (!enabled)
    return { cause: 'instance-disabled', detail: 'the instance is disabled', owner: 'configuration' };
  if (paused) {
    const detail = 'reading of the instance is paused until it is resumed';
    return { cause: 'instance-paused', detail, owner: 'configuration' };
  }
  if (kind === 'not-found') return { cause: kind, detail: notFound, owner: 'instance' };
  if (kind === 'espalier-error') return { cause: kind, detail: error ?? '', owner: 'espalier' };
  if (kind !== null) {
    const ofConfiguration = kind === 'no-secret' || kind === 'refused-address';
    return { cause: kind, detail: error ?? '', owner: ofConfiguration ? 'configuration' : 'instance' };
  }
  if (instanceError !== null) {
    const detail = `the instance failed lately and is asked again little by little: ${instanceError}`;
    return { cause: 'instance-fails', detail, owner: 'instance' };
  }
  return { cause: 'in-turn', detail: inTurn, owner: 'espalier' };
}

/** The largest groups first, at most 100 of them. */
export async function readBacklogCauses(sql: Queries, tenantId: string): Promise<readonly BacklogCause[]> {
  const rows = await readWaiting(sql, tenantId);
  return rows.map((row) => {
    const { computers, instance, instanceId, lastAnswerAt, nextTryAt, since } = row;
    return { instanceId, instance, ...causeOf(row), computers, since, lastAnswerAt, nextTryAt };
  });
}
