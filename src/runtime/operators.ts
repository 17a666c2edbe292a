import type { EntraOperators } from '../admin/operators/entra-settings.ts';
import type { Config } from './config.ts';
import type { Gateway, GatewayParts } from './gateway.ts';

/** Operators who are known to Entra, as the settings have them; undefined: only keys open the admin API. */
export function entraOperators(
  parts: Pick<GatewayParts, 'config' | 'send' | 'signature'>,
  gateway: Pick<Gateway, 'keys'>,
  adminUrl: () => string,
): EntraOperators | undefined {
  const { config, send, signature } = parts;
  const cloud = config.clouds.get(config.operatorCloud);
  const application = config.operators(config.operatorCloud);
  if (config.operatorTenants.length === 0 || cloud === undefined || application === undefined)
    return undefined;
  return {
    tenantIds: config.operatorTenants,
    cloud,
    clientId: application.clientId,
    credentials: application.credentials,
    audiences: config.operatorAudiences(cloud.name),
    keys: gateway.keys,
    signature,
    send,
    timeoutMs: config.microsoftTimeoutSeconds * 1_000,
    adminUrl,
  };
}

/** ESPALIER_ADMIN_URL, else the machine itself at the port that the admin listener has got. */
export const adminUrlOf = ({ adminUrl }: Pick<Config, 'adminUrl'>, listening: string): string =>
  adminUrl ?? new URL(`https://localhost:${new URL(listening).port || '443'}`).origin;
