import type { TrimmedHistory } from '../../routing/history.ts';
import { invalidField } from '../schemas.ts';

/**
 * Refuses a version of the tenant's table that does not exist yet, or that cannot be told any more. Throws
 * `ProblemError` naming the field.
 */
export function requireVersion({ newest, oldest }: TrimmedHistory, field: string, version: number): void {
  if (version > newest) {
    throw invalidField(field, `is beyond the newest version, ${newest}`, 'UNKNOWN_VERSION');
  }
  if (version < oldest) {
    const description = `is older than the history that is kept; the oldest version is ${oldest}`;
    throw invalidField(field, description, 'TRIMMED');
  }
}
