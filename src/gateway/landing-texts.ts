/** The texts of the landing pages, for a person who has never heard of Espalier. Plain text; the pages escape it. */

import type { MacState } from '../forwarding/landing.ts';
import type { Language } from './language.ts';
import type { PageText } from './page-layout.ts';

export interface LandingTexts {
  readonly chooser: PageText;
  readonly denied: PageText;
  readonly closed: PageText;
  readonly unknown: PageText;
  readonly unavailable: PageText;
  readonly busy: PageText;
  readonly assessments: Readonly<Record<MacState['assessment'], PageText>>;
  /** The Mac is known, and what was read of it cannot be had now. */
  readonly stateUnavailable: PageText;
  /** Goes before the steps of the assessment. */
  readonly registrations: Readonly<Record<MacState['registration'], string | undefined>>;
  readonly stepsTitle: string;
  readonly managedBy: string;
  readonly reported: string;
  readonly neverReported: string;
  readonly reportedUnavailable: string;
  readonly deliveries: Readonly<Record<MacState['delivery'], string | undefined>>;
  readonly openSelfService: string;
  /** A link to the instance's own page. */
  readonly openInstance: (name: string) => string;
  /** A moment in Universal Time: a server does not know the person's. */
  readonly moment: (at: Date) => string;
}

const moment = (locale: string): ((at: Date) => string) => {
  const format = new Intl.DateTimeFormat(locale, { dateStyle: 'long', timeStyle: 'short', timeZone: 'UTC' });
  return (at) => `${format.format(at)}\u00a0UTC`;
};

const inventoryStep = 'Then choose “Update Inventory” in Self Service, or restart the Mac.';
const waitStep = 'Wait 15 to 60 minutes, then open again what Microsoft refused.';
const helpStep = 'If nothing changes, ask your IT help desk and show them this page.';

const english: LandingTexts = {
  chooser: {
    title: 'Which server manages your Mac?',
    paragraphs: [
      'Your organisation has several Jamf Pro servers. Choose the one of your site or department: its page leads on to the registration of this Mac.',
    ],
    steps: [
      'If you do not know which one is yours, ask your IT help desk.',
      'If this Mac has the app Self Service, it is managed already: open Self Service and choose the registration with Microsoft there.',
      'Do not start with Company Portal: opened by itself, it does not register a Mac that Jamf Pro manages.',
    ],
  },
  denied: {
    title: 'Access denied',
    paragraphs: [
      'Microsoft refuses access from this Mac, and your organisation does not register Macs here.',
    ],
    steps: [
      'If your organisation manages this Mac, open Self Service on it: it offers the registration with Microsoft and shows what is missing.',
      'If not, use a Mac that your organisation manages, or ask your IT help desk.',
    ],
  },
  closed: {
    title: 'Registration is not open',
    paragraphs: [
      'Your organisation’s device management does not take registrations now. Your Mac is not at fault.',
    ],
    steps: ['Try again later.', 'If it stays like this, ask your IT help desk.'],
  },
  unknown: {
    title: 'There is nothing here',
    paragraphs: ['This address leads nowhere.'],
    steps: ['Go back and follow the link again.', 'If you come here again, ask your IT help desk.'],
  },
  unavailable: {
    title: 'Please try again in a minute',
    paragraphs: [
      'The service that finds the next step for your Mac does not answer. Your Mac is not at fault.',
    ],
    steps: ['Wait a minute, then reload this page.', 'If it stays like this, ask your IT help desk.'],
  },
  busy: {
    title: 'Please try again in a moment',
    paragraphs: ['Too many people of your organisation opened this page at the same time.'],
    steps: ['Wait some seconds, then reload this page.'],
  },
  stateUnavailable: {
    title: 'The state of this Mac cannot be shown now',
    paragraphs: [
      'This Mac is known and managed. What Jamf Pro says about it cannot be looked up at the moment.',
    ],
    steps: ['Open this page again in a few minutes.', helpStep],
  },
  assessments: {
    'not-compliant': {
      title: 'This Mac does not meet the requirements',
      paragraphs: [
        'This Mac is known and managed. According to Jamf Pro it does not meet your organisation’s requirements, so Microsoft refuses access.',
      ],
      steps: [
        'Open Self Service on this Mac and do what it asks for, such as updates, disk encryption or missing apps.',
        inventoryStep,
        waitStep,
        helpStep,
      ],
    },
    compliant: {
      title: 'This Mac meets the requirements',
      paragraphs: [
        'According to Jamf Pro this Mac meets your organisation’s requirements. If Microsoft refuses access all the same, the sign-in did not show which Mac it came from, or the news has not arrived.',
      ],
      steps: [
        'Sign in with the account of this organisation, not with another one.',
        'Use Safari or Microsoft Edge. When the browser asks for a certificate, choose the one that is offered for this Mac.',
        waitStep,
        'If nothing changes, ask your IT help desk and tell them the code on Microsoft’s page, such as 530003.',
      ],
    },
    undecided: {
      title: 'This Mac is being assessed',
      paragraphs: [
        'This Mac is known and managed. Jamf Pro has not decided yet whether it meets the requirements.',
      ],
      steps: ['Choose “Update Inventory” in Self Service, or restart the Mac.', waitStep, helpStep],
    },
    'not-assessed': {
      title: 'This Mac is not assessed',
      paragraphs: [
        'This Mac is known and managed, but Jamf Pro does not assess it for Microsoft, so Microsoft refuses access.',
      ],
      steps: ['Ask your IT help desk to include this Mac, and show them this page.'],
    },
    'by-microsoft': {
      title: 'Microsoft decides about this Mac',
      paragraphs: [
        'This Mac is known and managed. Jamf Pro tells Microsoft what is on it, and Microsoft decides whether it meets your organisation’s requirements.',
      ],
      steps: [
        'Open Self Service on this Mac and do what it asks for, such as updates, disk encryption or missing apps.',
        inventoryStep,
        waitStep,
        helpStep,
      ],
    },
  },
  registrations: {
    active: undefined,
    deactivated:
      'The registration of this Mac with Microsoft has ended: open Self Service and choose the registration with Microsoft again.',
    unresponsive:
      'Jamf Pro has not heard of this Mac for a while: connect it to the internet and restart it.',
  },
  stepsTitle: 'What to do',
  managedBy: 'Managed by',
  reported: 'Microsoft was told last',
  neverReported: 'not yet',
  reportedUnavailable: 'cannot be shown now',
  deliveries: {
    reported: undefined,
    'on-its-way': 'The newest state is on its way to Microsoft.',
    stopped: 'The newest state could not be told to Microsoft. Your IT help desk can find out why.',
  },
  openSelfService: 'Open Self Service',
  openInstance: (name) => `Registration page of ${name}`,
  moment: moment('en-GB'),
};

const inventaire =
  'Choisissez ensuite «\u00a0Mettre à jour l’inventaire\u00a0» dans Self Service, ou redémarrez le Mac.';
const attente = 'Attendez de 15 à 60 minutes, puis rouvrez ce que Microsoft a refusé.';
const assistance =
  'Si rien ne change, adressez-vous à votre assistance informatique et montrez-lui cette page.';

const french: LandingTexts = {
  chooser: {
    title: 'Quel serveur gère votre Mac\u00a0?',
    paragraphs: [
      'Votre organisation a plusieurs serveurs Jamf Pro. Choisissez celui de votre site ou de votre service\u00a0: sa page mène à l’inscription de ce Mac.',
    ],
    steps: [
      'Si vous ne savez pas lequel est le vôtre, demandez à votre assistance informatique.',
      'Si l’app Self Service se trouve sur ce Mac, il est déjà géré\u00a0: ouvrez Self Service et choisissez-y l’inscription auprès de Microsoft.',
      'Ne commencez pas par Portail d’entreprise\u00a0: ouvert seul, il n’inscrit pas un Mac géré par Jamf Pro.',
    ],
  },
  denied: {
    title: 'Accès refusé',
    paragraphs: ['Microsoft refuse l’accès depuis ce Mac, et votre organisation n’inscrit pas de Mac ici.'],
    steps: [
      'Si votre organisation gère ce Mac, ouvrez Self Service sur celui-ci\u00a0: il propose l’inscription auprès de Microsoft et montre ce qui manque.',
      'Sinon, utilisez un Mac géré par votre organisation, ou adressez-vous à votre assistance informatique.',
    ],
  },
  closed: {
    title: 'Les inscriptions ne sont pas ouvertes',
    paragraphs: [
      'La gestion des appareils de votre organisation n’accepte pas d’inscription pour l’instant. Votre Mac n’est pas en cause.',
    ],
    steps: ['Réessayez plus tard.', 'Si cela dure, adressez-vous à votre assistance informatique.'],
  },
  unknown: {
    title: 'Il n’y a rien ici',
    paragraphs: ['Cette adresse ne mène nulle part.'],
    steps: [
      'Revenez en arrière et suivez de nouveau le lien.',
      'Si vous revenez ici, adressez-vous à votre assistance informatique.',
    ],
  },
  unavailable: {
    title: 'Veuillez réessayer dans une minute',
    paragraphs: [
      'Le service qui trouve la prochaine étape pour votre Mac ne répond pas. Votre Mac n’est pas en cause.',
    ],
    steps: [
      'Attendez une minute, puis rechargez cette page.',
      'Si cela dure, adressez-vous à votre assistance informatique.',
    ],
  },
  busy: {
    title: 'Veuillez réessayer dans un instant',
    paragraphs: ['Trop de personnes de votre organisation ont ouvert cette page en même temps.'],
    steps: ['Attendez quelques secondes, puis rechargez cette page.'],
  },
  stateUnavailable: {
    title: 'L’état de ce Mac ne peut pas être affiché maintenant',
    paragraphs: [
      'Ce Mac est connu et géré. Ce que Jamf Pro en dit ne peut pas être consulté pour le moment.',
    ],
    steps: ['Rouvrez cette page dans quelques minutes.', assistance],
  },
  assessments: {
    'not-compliant': {
      title: 'Ce Mac ne remplit pas les exigences',
      paragraphs: [
        'Ce Mac est connu et géré. Selon Jamf Pro, il ne remplit pas les exigences de votre organisation\u00a0; Microsoft refuse donc l’accès.',
      ],
      steps: [
        'Ouvrez Self Service sur ce Mac et faites ce qu’il demande\u00a0: mises à jour, chiffrement du disque ou apps manquantes, par exemple.',
        inventaire,
        attente,
        assistance,
      ],
    },
    compliant: {
      title: 'Ce Mac remplit les exigences',
      paragraphs: [
        'Selon Jamf Pro, ce Mac remplit les exigences de votre organisation. Si Microsoft refuse tout de même l’accès, la connexion n’a pas montré de quel Mac elle venait, ou la nouvelle n’est pas encore arrivée.',
      ],
      steps: [
        'Connectez-vous avec le compte de cette organisation, et pas avec un autre.',
        'Utilisez Safari ou Microsoft Edge. Quand le navigateur demande un certificat, choisissez celui qui est proposé pour ce Mac.',
        attente,
        'Si rien ne change, adressez-vous à votre assistance informatique avec le code de la page de Microsoft, par exemple 530003.',
      ],
    },
    undecided: {
      title: 'Ce Mac est en cours d’évaluation',
      paragraphs: ['Ce Mac est connu et géré. Jamf Pro n’a pas encore décidé s’il remplit les exigences.'],
      steps: [
        'Choisissez «\u00a0Mettre à jour l’inventaire\u00a0» dans Self Service, ou redémarrez le Mac.',
        attente,
        assistance,
      ],
    },
    'not-assessed': {
      title: 'Ce Mac n’est pas évalué',
      paragraphs: [
        'Ce Mac est connu et géré, mais Jamf Pro ne l’évalue pas pour Microsoft\u00a0; Microsoft refuse donc l’accès.',
      ],
      steps: ['Demandez à votre assistance informatique d’inclure ce Mac, et montrez-lui cette page.'],
    },
    'by-microsoft': {
      title: 'Microsoft décide pour ce Mac',
      paragraphs: [
        'Ce Mac est connu et géré. Jamf Pro indique à Microsoft ce qui s’y trouve, et Microsoft décide s’il remplit les exigences de votre organisation.',
      ],
      steps: [
        'Ouvrez Self Service sur ce Mac et faites ce qu’il demande\u00a0: mises à jour, chiffrement du disque ou apps manquantes, par exemple.',
        inventaire,
        attente,
        assistance,
      ],
    },
  },
  registrations: {
    active: undefined,
    deactivated:
      'L’inscription de ce Mac auprès de Microsoft a pris fin\u00a0: ouvrez Self Service et choisissez de nouveau l’inscription auprès de Microsoft.',
    unresponsive:
      'Jamf Pro n’a pas de nouvelles de ce Mac depuis un moment\u00a0: connectez-le à Internet et redémarrez-le.',
  },
  stepsTitle: 'Que faire',
  managedBy: 'Géré par',
  reported: 'Transmis à Microsoft',
  neverReported: 'pas encore',
  reportedUnavailable: 'ne peut pas être affiché maintenant',
  deliveries: {
    reported: undefined,
    'on-its-way': 'Le dernier état est en route vers Microsoft.',
    stopped:
      'Le dernier état n’a pas pu être transmis à Microsoft. Votre assistance informatique peut en trouver la cause.',
  },
  openSelfService: 'Ouvrir Self Service',
  openInstance: (name) => `Page d’inscription de ${name}`,
  moment: moment('fr-FR'),
};

export const landingTexts: Readonly<Record<Language, LandingTexts>> = { en: english, fr: french };
