import { ProblemError, problem } from '../problems.ts';
import type { AdminServices } from './context.ts';

/**
 * Throws `address-refused`, naming the field, for a host that is not globally reachable and that no operator of the
 * gateway has allowed (contract section 6).
 */
export async function requireAllowedAddress(
  services: Pick<AdminServices, 'mayConnect'>,
  hostname: string,
  field: string,
): Promise<void> {
  if (await services.mayConnect(hostname)) return;
  throw new ProblemError(
    problem(
      'address-refused',
      'The address is not globally reachable and ESPALIER_UPSTREAM_ALLOW does not name it.',
      { errors: [{ code: 'ADDRESS_REFUSED', field, description: 'the address is not allowed' }] },
    ),
  );
}
