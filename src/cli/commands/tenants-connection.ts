/** Commands for a tenant's connection, from consent to disconnect. */

import { isRow, type Row } from '../output/fields.ts';
import { eachStepLines, oneStepLines, recordLines, stepLines, verdictLine } from '../output/record.ts';
import type { ArgumentSpec, Verb } from './declare.ts';
import { act, list, show } from './kinds.ts';
import { waitForReports } from './wait-for-reports.ts';

export const failedSteps = (answer: Row): boolean => answer.ok === false;

const consentLines = (answer: Row): string[] => {
  const urls = Array.isArray(answer.consentUrls) ? answer.consentUrls.filter(isRow) : [];
  return [
    'an administrator of the tenant opens these addresses, in this order:',
    ...urls.flatMap(({ app, url }) => [`  ${String(app)}:`, `    ${String(url)}`]),
    `they are valid until ${String(answer.expiresAt)}`,
  ];
};

const departureLines = (answer: Row): string[] => {
  const retracting = Number(answer.retracting ?? 0);
  const devices = answer.devices === undefined ? [] : [`devices: ${String(answer.devices)}`];
  return [
    `connection: ${String(answer.before)} -> ${String(answer.connectionState)}`,
    ...devices,
    ...(retracting > 0 ? [`Intune is first told that ${retracting} devices are not managed`] : []),
  ];
};

const migrationLines = (answer: Row): string[] => {
  const steps = Array.isArray(answer.steps) ? answer.steps.filter(isRow) : [];
  const { steps: _, ...rest } = answer;
  return [
    ...steps.map(
      ({ detail, done, name, who }) =>
        `${done === true ? 'done' : 'open'}  ${String(who)}  ${String(name)}: ${String(detail)}`,
    ),
    '',
    ...recordLines(rest),
  ];
};

const stepByStep = {
  line: ({ step }: Row): readonly string[] => (isRow(step) ? oneStepLines(step) : []),
  last: (answer: Row): readonly string[] => [verdictLine(answer)],
};

const confirmationLines = (answer: Row): string[] =>
  answer.state === 'ended'
    ? stepLines(answer)
    : [...eachStepLines(answer), `${String(answer.action ?? 'confirm')}: ${String(answer.state)}`];

const joiningVerbs = (tenantArgument: ArgumentSpec, someTenant: string): readonly Verb[] => [
  act({
    name: 'connect',
    summary: 'begin the connection: the addresses at which an administrator consents',
    operation: 'POST /tenants/{tenantId}/connect',
    arguments: [tenantArgument],
    human: consentLines,
    done: ({ parameters }) => `afterwards: espalier tenants confirm ${parameters.tenantId}`,
    examples: [[`tenants connect ${someTenant}`, 'prints the addresses and how long they are valid']],
  }),
  list({
    name: 'consents',
    summary: 'which consents were given, and what came of the others',
    operation: 'GET /tenants/{tenantId}/consents',
    arguments: [tenantArgument],
    examples: [[`tenants consents ${someTenant}`, 'given, declined or open, with what helps']],
  }),
  act({
    name: 'confirm',
    summary: 'provision the tenant and test every step; safe to repeat',
    details: 'Exit code 1 if a step fails, with its cause, what helps and who has to act.',
    operation: 'POST /tenants/{tenantId}/confirm',
    arguments: [tenantArgument],
    human: stepLines,
    follow: stepByStep,
    failed: failedSteps,
    examples: [[`tenants confirm ${someTenant}`, 'a line for each step, as it is done']],
  }),
  show({
    name: 'confirmation',
    summary: 'where the newest confirm or enable stands, step by step',
    operation: 'GET /tenants/{tenantId}/confirmation',
    arguments: [tenantArgument],
    human: confirmationLines,
    examples: [[`tenants confirmation ${someTenant}`, 'after a connection that was lost in the middle']],
  }),
  act({
    name: 'enable',
    summary: 'provision the tenant at Intune again and test every step',
    operation: 'POST /tenants/{tenantId}/enable',
    arguments: [tenantArgument],
    human: stepLines,
    follow: stepByStep,
    failed: failedSteps,
    examples: [[`tenants enable ${someTenant}`, 'after "tenants disable"']],
  }),
];

const leavingVerbs = (tenantArgument: ArgumentSpec, someTenant: string): readonly Verb[] => [
  act({
    name: 'disable',
    summary: 'deprovision at Intune and keep all configuration, routes and reports',
    operation: 'POST /tenants/{tenantId}/disable',
    arguments: [tenantArgument],
    ask: ({ parameters }) => `Deprovision ${parameters.tenantId} at Intune?`,
    human: departureLines,
    examples: [[`tenants disable ${someTenant}`, 'asks first; "tenants enable" takes it back']],
  }),
  act({
    name: 'pause',
    summary: 'hold delivery without telling Intune',
    operation: 'POST /tenants/{tenantId}/pause',
    arguments: [tenantArgument],
    examples: [[`tenants pause ${someTenant}`, 'reports wait until "tenants resume"']],
  }),
  act({
    name: 'resume',
    summary: 'go on delivering',
    operation: 'POST /tenants/{tenantId}/resume',
    arguments: [tenantArgument],
    examples: [[`tenants resume ${someTenant}`, 'what waited is sent, newest states only']],
  }),
  act({
    name: 'disconnect',
    summary: 'end the connection; to come back, connect again',
    details:
      'With --retract Intune is first told that every device is not managed and not compliant; without it, devices keep their state until Intune removes them.',
    operation: 'POST /tenants/{tenantId}/disconnect',
    arguments: [tenantArgument],
    options: [{ flags: '--retract', text: 'tell Intune first that no device is managed', body: 'retract' }],
    dryRun: true,
    ask: ({ parameters }) => `End the connection of ${parameters.tenantId}?`,
    human: departureLines,
    examples: [
      [`tenants disconnect ${someTenant} --retract --dry-run`, 'how many devices it touches'],
      [`tenants disconnect ${someTenant} --retract --yes`, 'without asking, for a script'],
    ],
  }),
];

const changingVerbs = (tenantArgument: ArgumentSpec, someTenant: string): readonly Verb[] => [
  act({
    name: 'migrate',
    summary: 'plan a change of mode or connection type, or take the steps that Espalier can take',
    details: 'A plan, unless --take-steps: checklist, window and dates of the change.',
    operation: 'POST /tenants/{tenantId}/migrate',
    arguments: [tenantArgument],
    options: [
      {
        flags: '--mode <mode>',
        text: 'the mode to come',
        body: 'mode',
      },
      {
        flags: '--connection-type <type>',
        text: 'the connection type to come',
        body: 'connectionType',
      },
      { flags: '--take-steps', text: 'take the open steps that Espalier can take' },
    ],
    planned: true,
    ask: ({ given, parameters }) =>
      given.flag('takeSteps') ? `Take these steps for ${parameters.tenantId}?` : undefined,
    query: ({ given }) => ({ 'dry-run': String(!given.flag('takeSteps')) }),
    human: migrationLines,
    examples: [
      [
        `tenants migrate ${someTenant} --connection-type cloud-connector`,
        'the plan from manual to the connector',
      ],
      [
        `tenants migrate ${someTenant} --connection-type cloud-connector --take-steps`,
        'shows them, asks, and does what can be done now',
      ],
    ],
  }),
  act({
    name: 'resync',
    summary: 'tell Intune every state again, without delaying what is new',
    operation: 'POST /tenants/{tenantId}/resync',
    arguments: [tenantArgument],
    options: [{ flags: '--wait', text: 'wait until nothing is left to tell' }],
    calls: ['GET /tenants/{tenantId}/status'],
    afterwards: async (call) => {
      if (call.given.flag('wait')) await waitForReports(call);
    },
    examples: [[`tenants resync ${someTenant} --wait`, 'with a progress bar on a terminal']],
  }),
];

/** The argument is given, for it is declared beside the others of tenants. */
export const connectionVerbs = (tenantArgument: ArgumentSpec, someTenant: string): readonly Verb[] =>
  [joiningVerbs, leavingVerbs, changingVerbs].flatMap((verbs) => verbs(tenantArgument, someTenant));
