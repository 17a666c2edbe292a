import { appRoleNames } from '../operators/app-roles.ts';
import type { SignInTexts } from './wording.ts';

const format = new Intl.DateTimeFormat('en', { dateStyle: 'long', timeStyle: 'short', timeZone: 'UTC' });
const askGateway = 'Tell whoever runs this gateway, and show them this page.';

export const english: SignInTexts = {
  signIn: {
    title: 'Sign in to Espalier',
    paragraphs: [
      'Operators sign in with their Microsoft work account. It needs one of the app roles of Espalier.',
    ],
  },
  signInButton: 'Sign in with Microsoft',
  keyTitle: 'With an API key',
  keyLabel: 'API key',
  keyButton: 'Sign in with the key',
  keyNote:
    'The key is exchanged for a session, which has its role and tenants and ends with it. Your browser does not keep it.',
  keyRefused: 'This key is not known, has expired or was revoked. Check that all of it was copied.',
  oneTime: {
    title: 'Open the console of the demo',
    paragraphs: [
      'The demo on this machine made this link. The button signs this browser in as its administrator and uses the link up.',
    ],
  },
  oneTimeButton: 'Open the console',
  oneTimeGone: {
    title: 'This link does not work any more',
    paragraphs: ['It works once, for ten minutes, until the demo ends or an admin key is made.'],
    steps: [
      'Sign in at /sign-in with the key of the demo: the file simulator/bootstrap-key in its data directory, .espalier-demo unless another was named.',
      'Start the demo again to get another link.',
    ],
  },
  signedOut: 'You are signed out here. At Microsoft you may still be signed in.',
  signedIn: (name) => `You are signed in as ${name}`,
  roles: {
    admin: 'Your role is admin: you may do everything.',
    operator:
      'Your role is operator: you may read everything, and change devices, routes, moves and reports.',
    viewer: 'Your role is viewer: you may read everything.',
  },
  lasts: (at) => `The session ends on ${at} at the latest, and after 30 minutes without a request.`,
  apiLink: 'The admin API',
  continueLink: 'Continue',
  signOutButton: 'Sign out',
  again: 'Sign in again',
  otherAccount: 'Use another account',
  stepsTitle: 'What to do',
  microsoftSaid: 'Microsoft said',
  requestId: 'Request id',
  code: 'Code',
  traceId: 'Trace id at Microsoft',
  notSetUp: {
    title: 'Signing in is not set up',
    paragraphs: [
      'This gateway knows no tenant whose users are operators; its admin API is opened by keys only.',
    ],
    steps: ['To change that, set ESPALIER_OPERATOR_TENANTS and restart (docs/sign-in.md).'],
  },
  badReturn: {
    title: 'This address is not complete',
    paragraphs: ['returnTo is not a path of this gateway: it begins with one slash and names no other site.'],
    steps: ['Begin at the sign-in page.'],
  },
  busy: {
    title: 'Too many sign-ins',
    paragraphs: ['Too many sign-ins were begun from your network address.'],
    steps: ['Wait a minute and try again.'],
  },
  unavailable: {
    title: 'Signing in is not possible at the moment',
    paragraphs: ['The database of the gateway does not answer.'],
    steps: ['Try again in a minute.', askGateway],
  },
  forged: (adminUrl) => ({
    title: 'This request did not come from Espalier',
    paragraphs: [
      'It did not come from a page of this gateway, or from one of an earlier session. Nothing was done.',
    ],
    steps: [
      'Open the page anew and try again there.',
      `Your browser has to be at ${adminUrl}. If this gateway has another address, whoever runs it sets ESPALIER_ADMIN_URL.`,
    ],
  }),
  notMatched: {
    title: 'This sign-in cannot be matched',
    paragraphs: [
      'It was finished before, took more than ten minutes, or was begun in another browser. Cookies may be switched off, too.',
    ],
    steps: ['Sign in again, in one browser window.', 'Allow cookies for this address.'],
  },
  incomplete: {
    title: 'The answer from Microsoft is not complete',
    paragraphs: ['The address that your browser came back with lacks what it needs.'],
    steps: ['Sign in again.', askGateway],
  },
  token: {
    title: 'The answer from Microsoft is not valid',
    paragraphs: ['The token that Microsoft gave is not the one that this sign-in asked for.'],
    steps: ['Sign in again.', `If it happens again: ${askGateway}`],
  },
  clock: {
    title: 'The clocks differ',
    paragraphs: ['The token that Microsoft gave is not valid at this moment, by the clock of the gateway.'],
    steps: ['Whoever runs the gateway has to correct its clock.'],
  },
  keys: {
    title: 'Microsoft’s keys cannot be read',
    paragraphs: ['The gateway cannot read the keys that it checks sign-ins with.'],
    steps: ['Try again in a minute.', askGateway],
  },
  otherTenant: {
    title: 'Your organisation is not an operator here',
    paragraphs: ['You signed in with an account of a tenant whose users are no operators of this gateway.'],
    steps: [
      'Use an account of the right organisation.',
      'Whoever runs the gateway can add the tenant to ESPALIER_OPERATOR_TENANTS.',
    ],
  },
  noRole: (name) => ({
    title: 'Your account has no role here',
    paragraphs: [`${name} has none of the app roles ${appRoleNames.join(', ')}.`],
    steps: [
      'An administrator of your tenant assigns one: Microsoft Entra admin center, Enterprise applications, the application of Espalier, Users and groups.',
      'Then sign in again: roles are read at sign-in.',
    ],
  }),
  entra: {
    declined: {
      title: 'You declined',
      paragraphs: ['Microsoft asked whether Espalier may read your name, and the answer was no.'],
      steps: ['Sign in again and accept.'],
    },
    consent: {
      title: 'The application has no consent',
      paragraphs: ['Your tenant has not consented to the application of Espalier.'],
      steps: [
        'An administrator of the tenant grants it: Enterprise applications, the application, Permissions.',
      ],
    },
    assignment: {
      title: 'You are not assigned to Espalier',
      paragraphs: [
        'Your tenant lets only assigned people sign in to this application, and you are not among them.',
      ],
      steps: [
        `An administrator of your tenant assigns you one of ${appRoleNames.join(', ')}: Enterprise applications, the application, Users and groups.`,
      ],
    },
    disabled: {
      title: 'The application is disabled',
      paragraphs: ['The application of Espalier is disabled in your tenant.'],
      steps: ['Its administrator can enable sign-in: Enterprise applications, the application, Properties.'],
    },
    account: {
      title: 'This account cannot be used',
      paragraphs: ['The account is disabled, or does not belong to the tenant.'],
      steps: ['Use another account.'],
    },
    policy: {
      title: 'A policy of your organisation blocks this',
      paragraphs: ['Conditional Access of your tenant did not let you in.'],
      steps: [
        'Sign in from a device that your organisation manages.',
        'Ask the administrator of your tenant.',
      ],
    },
    credential: {
      title: 'The gateway’s credential is refused',
      paragraphs: [
        'Microsoft does not accept the certificate or secret that this gateway has for its operators’ application.',
      ],
      steps: [
        'Whoever runs the gateway checks ESPALIER_OPERATOR_CERT_FILE and ESPALIER_OPERATOR_KEY_FILE, or ESPALIER_OPERATOR_CLIENT_SECRET; without them those of the connector count.',
        askGateway,
      ],
    },
    code: {
      title: 'The sign-in was used already',
      paragraphs: ['What Microsoft gave your browser was used before, or is too old.'],
      steps: ['Sign in again.'],
    },
    redirect: {
      title: 'The redirect address does not match',
      paragraphs: ['The address of this gateway is not the one that the sign-in was begun with.'],
      steps: [
        'Whoever runs the gateway registers ESPALIER_ADMIN_URL + /sign-in/callback with the application, platform Web.',
      ],
    },
    later: {
      title: 'Microsoft does not answer',
      paragraphs: ['Entra could not be reached, or asks to wait.'],
      steps: ['Try again in a minute.', askGateway],
    },
    other: {
      title: 'Microsoft did not let you in',
      paragraphs: ['Microsoft refused this sign-in.'],
      steps: ['Sign in again.', askGateway],
    },
  },
  moment: (at) => `${format.format(at)}\u00a0UTC`,
};
