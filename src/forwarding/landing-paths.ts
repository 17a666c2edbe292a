import { z } from 'zod';
import { parseJson } from '../untrusted/bounded-json.ts';

/** Paths of an instance's own pages: no public source settles them for every version (domain/jamf.md 4.2, step 5). */
export interface LandingPaths {
  /**
   * Below the instance's URL. Jamf's page that itself sends a person to enrolment or to Company Portal
   * (domain/jamf.md 4.2: `DeviceRegistration.html` in the builds that were looked at).
   */
  readonly registration: string;
  /** Below the instance's URL: user-initiated enrolment, for a Mac that is known not to be managed any more. */
  readonly enrolment: string;
  /** Opens Self Service on the Mac; undefined: the pages only name the application. */
  readonly selfService: string | undefined;
}

export const defaultLandingPaths: LandingPaths = {
  registration: '/DeviceRegistration.html',
  enrolment: '/enroll',
  selfService: undefined,
};

export type LandingPathsResult =
  | { readonly ok: true; readonly paths: LandingPaths }
  | { readonly ok: false; readonly errors: readonly string[] };

/** Appended to an instance's URL, so it must not be able to begin another authority (`//`, `\`). */
const path = z
  .string()
  .max(500)
  .regex(/^\/(?![/\\])[!-~]*$/, 'must be a path that begins with one slash, without spaces');

const link = z
  .string()
  .max(500)
  .regex(
    /^(?:https|jamf[a-z]*|selfservice[a-z]*):\/\/[!-~]*$/,
    'must be an https:// or a jamfselfservice:// address',
  );

const setting = z.strictObject({ registration: path, enrolment: path, selfService: link }).partial();

/**
 * Reads ESPALIER_LANDING_PATHS, JSON such as `{"enrolment":"/enroll?invitation=1","selfService":"jamfselfservice://"}`,
 * over the defaults. Unset or empty is the defaults; every fault is returned.
 */
export function parseLandingPaths(text: string | undefined): LandingPathsResult {
  if (text === undefined || text.trim() === '') return { ok: true, paths: defaultLandingPaths };
  const given = setting.safeParse(parseJson(text), {
    error: (issue) => (issue.input === undefined ? 'must be a JSON object' : undefined),
  });
  if (!given.success) {
    const errors = given.error.issues.map(({ message, path: member }) =>
      member.length === 0 ? message : `${member.join('.')}: ${message}`,
    );
    return { ok: false, errors };
  }
  const { registration, enrolment, selfService } = given.data;
  return {
    ok: true,
    paths: {
      registration: registration ?? defaultLandingPaths.registration,
      enrolment: enrolment ?? defaultLandingPaths.enrolment,
      selfService: selfService ?? defaultLandingPaths.selfService,
    },
  };
}
