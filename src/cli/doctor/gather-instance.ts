import type { Instance } from '../../store/instances/instance.ts';
import { secretAssociation } from '../../store/instances/secret.ts';
import type { Mode } from '../../store/row-types.ts';
import { type DoctorContext, instanceSubject } from './context.ts';
import { hostSubject, probeHost } from './gather-hosts.ts';
import {
  type InstanceUse,
  judgeCompliance,
  judgeInstanceToken,
  judgeInventory,
  judgePrivileges,
  judgeSecret,
  judgeVersion,
} from './judge-instance.ts';
import { anyFailed, type Line, notTried } from './line.ts';

/** Looks at one instance: its secret, its host, and its API with the gateway's own client. */

async function secretFault({ inspection }: DoctorContext, instance: Instance): Promise<string | undefined> {
  const { apiSecretRef, apiSecretSealed } = instance;
  try {
    if (apiSecretRef !== null) await inspection.readReference(apiSecretRef);
    else if (apiSecretSealed === null) return 'there is none';
    else await inspection.sealer.open(apiSecretSealed, secretAssociation(instance));
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

async function apiLines(
  { inspection }: DoctorContext,
  instance: Instance,
  use: InstanceUse,
): Promise<Line[]> {
  const subject = instanceSubject(instance);
  const client = inspection.gateway.clients.clientOf(instance);
  const token = await client.authorization();
  if (!token.ok) return [judgeInstanceToken(subject, token)];
  const version = await client.version();
  const privileges = await client.privileges();
  const newest = await client.inventoryVersion();
  const page = newest.ok ? await client.computersAfter(0) : newest;
  // The privilege is checked before the computer is looked up, so that any id serves.
  const first = page.ok ? page.page.items[0]?.computer.jamfComputerId : undefined;
  const compliance = await client.complianceInformation(first ?? '1');
  return [
    judgeInstanceToken(subject, token),
    judgeVersion(subject, version, use),
    judgePrivileges(subject, privileges, use),
    judgeInventory(subject, page, newest.ok ? newest.inventoryVersion : undefined),
    judgeCompliance(subject, compliance, use),
  ];
}

export async function instanceLines(context: DoctorContext, instance: Instance, mode: Mode): Promise<Line[]> {
  const subject = instanceSubject(instance);
  const { caCertificate, url } = instance;
  const secret = judgeSecret(
    subject,
    instance.apiSecretRef ?? undefined,
    await secretFault(context, instance),
  );
  const host = await probeHost(context, {
    url: `${url.replace(/\/+$/, '')}/api/v1/health-check`,
    kind: 'instance',
    service: `instance ${instance.name}`,
    rule: 'checked',
    ...(caCertificate === null ? {} : { caCertificate }),
  });
  const lines = [secret, ...host.lines];
  // An error that the server answers is explained by its API better than by its health page.
  if (!host.answered || anyFailed(host.lines.filter(({ check }) => check !== 'host.answer')))
    return [...lines, notTried('instance.token', subject, `${hostSubject(url)} cannot be used`, 'instance')];
  if (secret.status === 'fail')
    return [...lines, notTried('instance.token', subject, 'the secret cannot be read', 'configuration')];
  return [...lines, ...(await apiLines(context, instance, { mode, source: instance.compliance.source }))];
}
