import { Hono } from 'hono';
import { needs } from './access.ts';
import { answerJson, type JamfEnv } from './answers.ts';

/** Place in which an instance runs (domain/jamf.md 2.5, `cloud-information`). */
export interface CloudInformation {
  readonly cloudInstance: boolean;
  readonly rampInstance: boolean;
  readonly fedRampInstance: boolean;
  readonly govCloudInstance: boolean;
  readonly managedServiceProviderInstance: boolean;
  readonly highComplianceInstance: boolean;
  readonly fipsEnabled: boolean;
}

export const commercialCloud: CloudInformation = {
  cloudInstance: true,
  rampInstance: false,
  fedRampInstance: false,
  govCloudInstance: false,
  managedServiceProviderInstance: false,
  highComplianceInstance: false,
  fipsEnabled: false,
};

/** Routes of an instance that need no token (domain/jamf.md 1.3, 2.5). */
export function openRoutes(options: { cloud: CloudInformation }): Hono<JamfEnv> {
  const app = new Hono<JamfEnv>();
  app.get('/api/v1/cloud-information', () => answerJson(200, options.cloud));
  app.get('/api/v1/health-check', () => new Response(null, { status: 204 }));
  return app;
}

/** Routes that describe an instance to a token's holder (domain/jamf.md 2.5). */
export function identityRoutes(options: { version: () => string; url: () => string }): Hono<JamfEnv> {
  const app = new Hono<JamfEnv>();
  // Any token will do for the version.
  app.get('/api/v1/jamf-pro-version', () => answerJson(200, { version: options.version() }));
  app.get('/api/v1/jamf-pro-server-url', needs('Read JSS URL'), () =>
    answerJson(200, { url: options.url() }),
  );
  return app;
}
