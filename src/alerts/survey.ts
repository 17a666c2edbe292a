/**
 * Looks at what needs a person and opens and resolves alerts by it. One process of all does so at a time; certificates are
 * noted by each process besides, for only it knows those that its own listeners present. Where no target is set nothing is
 * looked at.
 */

import { nilGuid } from '../ids.ts';
import { alertSurveyTenants } from '../limits.ts';
import {
  endAlertSurvey,
  forgetAlerts,
  noteSightings,
  readHeardTenants,
  readTenantsAfter,
  resolveGone,
  takeAlertSurvey,
} from '../store/alerts/open-alerts.ts';
import type { Sql } from '../store/database.ts';
import type { ExpiringCertificate } from './expiring-certificate.ts';
import {
  type AcmeNames,
  certificatesAttention,
  readAcmeAttention,
  readApiKeysAttention,
  readTargetsAttention,
  readTenantsAttention,
} from './read-attention.ts';
import { sightingsOf } from './sighting.ts';

export interface SurveyServices {
  readonly sql: Sql;
  readonly acme: AcmeNames;
  readonly certificateExpiry: () => readonly ExpiringCertificate[];
  readonly periodMs: number;
}

/** In halves where there is more than is read at once: what was not read must not count as missed. */
async function surveyTenants(sql: Sql, tenantIds: readonly string[]): Promise<void> {
  const { attention, isCut } = await readTenantsAttention(sql, tenantIds);
  if (isCut && tenantIds.length > 1) {
    const half = Math.ceil(tenantIds.length / 2);
    await surveyTenants(sql, tenantIds.slice(0, half));
    await surveyTenants(sql, tenantIds.slice(half));
    return;
  }
  await noteSightings(sql, sightingsOf(attention), isCut ? [] : tenantIds);
}

async function surveyGateway({ acme, certificateExpiry, sql }: SurveyServices): Promise<void> {
  const [ofNoTenant, targets, apiKeys, acmeNames] = await Promise.all([
    readTenantsAttention(sql, [nilGuid]),
    readTargetsAttention(sql, undefined),
    readApiKeysAttention(sql),
    readAcmeAttention(sql, acme),
  ]);
  const certificates = certificatesAttention(certificateExpiry);
  const all = [...ofNoTenant.attention, ...targets, ...apiKeys, ...acmeNames, ...certificates];
  await noteSightings(sql, sightingsOf(all), [nilGuid]);
}

async function surveyAll(services: SurveyServices, heard: readonly string[] | undefined): Promise<void> {
  const { sql } = services;
  let after = nilGuid;
  for (;;) {
    const tenantIds = await readTenantsAfter(sql, after, heard, alertSurveyTenants);
    if (tenantIds.length > 0) await surveyTenants(sql, tenantIds);
    const last = tenantIds.at(-1);
    if (last === undefined || tenantIds.length < alertSurveyTenants) break;
    after = last;
  }
  if (heard === undefined) await surveyGateway(services);
  await resolveGone(sql);
}

/** Surveys where that is due and no other process has taken it. */
export async function surveyAlerts(services: SurveyServices): Promise<void> {
  const { periodMs, sql } = services;
  const beganAt = await takeAlertSurvey(sql, periodMs);
  if (beganAt === undefined) return;
  const heard = await readHeardTenants(sql);
  await forgetAlerts(sql, heard);
  if (heard?.length !== 0) await surveyAll(services, heard);
  await endAlertSurvey(sql, beganAt);
}

/** Notes the certificates of this process that are about to run out; the survey of another one does not see them. */
export async function noteCertificates({ certificateExpiry, sql }: SurveyServices): Promise<void> {
  const seen = sightingsOf(certificatesAttention(certificateExpiry));
  if (seen.length === 0 || (await readHeardTenants(sql)) !== undefined) return;
  await noteSightings(sql, seen, []);
}
