/** Decides where a person at a Mac is sent who comes to a tenant's landing page (contract section 6). Pure. */

import type { Landing } from '../store/row-types.ts';
import type { LandingPaths } from './landing-paths.ts';

/** `enroll`: from Microsoft's page for a Mac that it does not know; `remediate`: from the one for a Mac that fails. */
export type LandingKind = 'enroll' | 'remediate';

export interface LandingInstance {
  readonly instanceId: string;
  readonly name: string;
  readonly url: string;
  readonly enabled: boolean;
}

/** The last read state of a Mac, as far as a person without a sign-in may see it. */
export interface MacState {
  readonly managed: boolean;
  readonly assessment: 'compliant' | 'not-compliant' | 'undecided' | 'not-assessed' | 'by-microsoft';
  /** State of the registration with Microsoft: both others need the person (domain/jamf.md 7.2, 12 and 13). */
  readonly registration: 'active' | 'deactivated' | 'unresponsive';
  /** Time at which Microsoft last took a state of it. */
  readonly reportedAt: Date | null;
  /** Delivery of the newest state. */
  readonly delivery: 'reported' | 'on-its-way' | 'stopped';
}

export interface KnownMac {
  /** The instance of its route. */
  readonly instanceId: string;
  /** Undefined: this instance has not said anything of it yet. `unavailable`: the database is away. */
  readonly state: ShownState;
}

export type ShownState = MacState | 'unavailable' | undefined;

export interface LandingQuestion {
  readonly kind: LandingKind;
  readonly landing: Landing;
  readonly instances: readonly LandingInstance[];
  /** Undefined: the query names no device of this tenant. */
  readonly mac: KnownMac | undefined;
  readonly paths: LandingPaths;
}

export interface LandingTarget {
  readonly name: string;
  readonly url: string;
}

export type LandingAnswer =
  | { readonly answer: 'redirect'; readonly url: string }
  | { readonly answer: 'chooser'; readonly targets: readonly LandingTarget[] }
  | { readonly answer: 'state'; readonly target: LandingTarget; readonly state: ShownState }
  | { readonly answer: 'denied' }
  /** The tenant has no instance that could serve anybody. */
  | { readonly answer: 'closed' };

const pageOf = (instance: LandingInstance, path: string): string => new URL(instance.url + path).href;

const redirect = (url: string): LandingAnswer => ({ answer: 'redirect', url });

/** A Mac that its instance manages no more has to be enrolled again before it can be registered. */
function forKnown(instance: LandingInstance, { kind, mac, paths }: LandingQuestion): LandingAnswer {
  const state = mac?.state === 'unavailable' ? undefined : mac?.state;
  if (state?.managed === false) return redirect(pageOf(instance, paths.enrolment));
  const url = pageOf(instance, paths.registration);
  if (kind === 'enroll') return redirect(url);
  return { answer: 'state', target: { name: instance.name, url }, state: mac?.state };
}

/** Written by the admin API, which takes https only; a row that says otherwise sends nobody anywhere. */
function customTarget(customUrl: string | undefined): LandingAnswer {
  const url =
    customUrl !== undefined && URL.canParse(customUrl) && new URL(customUrl).protocol === 'https:'
      ? // As the parser reads it: a line break in what was written must not reach the header.
        new URL(customUrl).href
      : undefined;
  return url === undefined ? { answer: 'closed' } : redirect(url);
}

/** The default instance while it is enabled, else the only enabled one, else a choice of all that are. */
function byDefault({ landing, paths }: LandingQuestion, open: readonly LandingInstance[]): LandingAnswer {
  const preferred = open.find(({ instanceId }) => instanceId === landing.defaultInstanceId);
  const [only] = open;
  const instance = preferred ?? (open.length === 1 ? only : undefined);
  if (instance) return redirect(pageOf(instance, paths.registration));
  if (open.length === 0) return { answer: 'closed' };
  const targets = open.map((one) => ({ name: one.name, url: pageOf(one, paths.registration) }));
  return { answer: 'chooser', targets };
}

/**
 * A known device goes by its route, whatever the tenant's choice: that one is for Macs that nobody knows. A paused
 * instance is offered, because pausing concerns what Espalier asks of it; a disabled one is not.
 */
export function decideLanding(question: LandingQuestion): LandingAnswer {
  const open = question.instances.filter(({ enabled }) => enabled);
  const own = question.mac && open.find(({ instanceId }) => instanceId === question.mac?.instanceId);
  if (own) return forKnown(own, question);
  switch (question.landing.choice) {
    case 'denied':
      return { answer: 'denied' };
    case 'custom':
      return customTarget(question.landing.customUrl);
    case 'default':
      return byDefault(question, open);
  }
}
