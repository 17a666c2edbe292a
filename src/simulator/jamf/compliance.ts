import { Hono } from 'hono';
import type { Clock } from '../clock.ts';
import { needs } from './access.ts';
import { answerJson, invalidId, type JamfEnv } from './answers.ts';
import type { Groups } from './groups.ts';
import { type Computer, type Computers, registeredDeviceIds } from './inventory.ts';

export type ComplianceState = 'UNKNOWN' | 'NON_COMPLIANT' | 'COMPLIANT';

/** Differences between servers and set-ups (domain/jamf.md 2.1); the control API switches them. */
export interface ComplianceVariants {
  /** Display names; none configured answers `[]`. Only Intune fills device ids. Real names are unverified. */
  vendors: readonly string[];
  /** The specification contradicts itself: schema object, examples array; 2022 servers leave it out. */
  deviceInformation: 'array' | 'object' | 'absent';
  /** Time for which the state reads UNKNOWN after an inventory update. */
  calculatingMs: number;
  /** The real answer to an unknown computer id is unverified. */
  unknownComputer: 'not-found' | 'empty-array';
}

export interface Compliance {
  readonly variants: ComplianceVariants;
  state(computer: Computer): ComplianceState;
  isApplicable(computer: Computer): boolean;
  /** Says that new facts arrived, so that the state is UNKNOWN for `calculatingMs`. */
  startCalculating(computer: Computer): void;
}

/** Membership in the Compliance group is compliance (domain/jamf.md 4.5). */
export function createCompliance(options: { clock: Clock; groups: Groups }): Compliance {
  const { clock, groups } = options;
  const variants: ComplianceVariants = {
    vendors: ['Microsoft Intune'],
    deviceInformation: 'array',
    calculatingMs: 0,
    unknownComputer: 'not-found',
  };
  return {
    variants,
    state: (computer) => {
      if (clock.now() < computer.calculatingUntil) return 'UNKNOWN';
      return groups.compliance.members.has(computer.id) ? 'COMPLIANT' : 'NON_COMPLIANT';
    },
    isApplicable: (computer) => groups.applicable.members.has(computer.id),
    startCalculating: (computer) => {
      computer.calculatingUntil = clock.now() + variants.calculatingMs;
    },
  };
}

function vendorRecord(
  compliance: Compliance,
  computer: Computer,
  vendor: string,
): Readonly<Record<string, unknown>> {
  const deviceIds = /intune/i.test(vendor) ? registeredDeviceIds(computer.facts) : [];
  const information = {
    array: [{ deviceIds }],
    object: { deviceIds },
    absent: undefined,
  }[compliance.variants.deviceInformation];
  return {
    deviceId: String(computer.id),
    applicable: compliance.isApplicable(computer),
    complianceState: compliance.state(computer),
    complianceVendor: vendor,
    complianceVendorDeviceInformation: information,
  };
}

/** The compliance calls of domain/jamf.md 2.1, for computers. */
export function complianceRoutes(options: { computers: Computers; compliance: Compliance }): Hono<JamfEnv> {
  const { computers, compliance } = options;
  const app = new Hono<JamfEnv>();
  app.get(
    '/api/v1/conditional-access/device-compliance-information/computer/:id',
    needs('Read Device Compliance Information'),
    (c) => {
      const id = c.req.param('id');
      const computer = computers.get(Number(id));
      if (!computer)
        return compliance.variants.unknownComputer === 'empty-array' ? answerJson(200, []) : invalidId(id);
      const records = compliance.variants.vendors.map((vendor) => vendorRecord(compliance, computer, vendor));
      return answerJson(200, records);
    },
  );
  app.get(
    '/api/v1/conditional-access/device-compliance/feature-toggle',
    needs('Read Conditional Access'),
    () => answerJson(200, { sharedDeviceFeatureEnabled: false }),
  );
  return app;
}
