import type { Language } from './language.ts';
import type { PageText } from './page-layout.ts';

/** The words for a person whose browser met a problem that has no page of its own. Plain text; the page escapes it. */

export type ErrorKind = 'not-found' | 'refused' | 'busy' | 'unavailable' | 'store-away' | 'failed';

/** The one to turn to: people at a Mac have a help desk, operators have whoever runs the gateway. */
export type Helper = 'help-desk' | 'gateway';

export interface ErrorTexts {
  readonly kinds: Readonly<Record<ErrorKind, PageText>>;
  /** The last step on each page. */
  readonly help: Readonly<Record<Helper, string>>;
  readonly stepsTitle: string;
  readonly requestId: string;
  readonly openConsole: string;
}

const english: ErrorTexts = {
  kinds: {
    'not-found': {
      title: 'There is nothing here',
      paragraphs: ['This address leads nowhere.'],
      steps: ['Go back and follow the link again.'],
    },
    refused: {
      title: 'This request cannot be carried out',
      paragraphs: ['The address is right, but not what was sent to it. Nothing was done.'],
      steps: ['Go back to the page that you came from, reload it, and try again there.'],
    },
    busy: {
      title: 'Please try again in a moment',
      paragraphs: ['Too many requests came at the same time.'],
      steps: ['Wait some seconds, then reload this page.'],
    },
    unavailable: {
      title: 'Please try again in a minute',
      paragraphs: ['The service does not answer at the moment.'],
      steps: ['Wait a minute, then reload this page.'],
    },
    'store-away': {
      title: 'The database is away',
      paragraphs: [
        'Operators cannot be signed in, and nothing can be changed, until it is back. Calls for known devices and the pages for people at their Macs are answered from memory meanwhile; what Jamf Pro sends is refused and asked for when it is back.',
      ],
      steps: [
        'Look in the log of the gateway for why the database cannot be reached.',
        'Reload this page when it is back: the gateway finds it within two seconds.',
      ],
    },
    failed: {
      title: 'Something went wrong here',
      paragraphs: ['The service failed while it made this page. It is not your fault.'],
      steps: ['Wait a minute, then reload this page.'],
    },
  },
  help: {
    'help-desk': 'If it stays like this, ask your IT help desk and show them this page.',
    gateway: 'If it stays like this, tell whoever runs this gateway, and show them this page.',
  },
  stepsTitle: 'What to do',
  requestId: 'Request id',
  openConsole: 'Open the console',
};

const french: ErrorTexts = {
  kinds: {
    'not-found': {
      title: 'Il n’y a rien ici',
      paragraphs: ['Cette adresse ne mène nulle part.'],
      steps: ['Revenez en arrière et suivez de nouveau le lien.'],
    },
    refused: {
      title: 'Cette requête ne peut pas être exécutée',
      paragraphs: ['L’adresse est bonne, mais pas ce qui y a été envoyé. Rien n’a été fait.'],
      steps: ['Revenez à la page d’où vous venez, rechargez-la et réessayez là.'],
    },
    busy: {
      title: 'Veuillez réessayer dans un instant',
      paragraphs: ['Trop de requêtes sont arrivées en même temps.'],
      steps: ['Attendez quelques secondes, puis rechargez cette page.'],
    },
    unavailable: {
      title: 'Veuillez réessayer dans une minute',
      paragraphs: ['Le service ne répond pas pour le moment.'],
      steps: ['Attendez une minute, puis rechargez cette page.'],
    },
    'store-away': {
      title: 'La base de données est inaccessible',
      paragraphs: [
        'Jusqu’à son retour, personne ne peut se connecter et rien ne peut être modifié. Entre-temps, les appels pour les appareils connus et les pages destinées aux utilisateurs de Mac sont servis de mémoire ; ce que Jamf Pro envoie est refusé, puis redemandé à son retour.',
      ],
      steps: [
        'Cherchez dans le journal de la passerelle pourquoi la base de données est inaccessible.',
        'Rechargez cette page à son retour : la passerelle la retrouve en deux secondes.',
      ],
    },
    failed: {
      title: 'Une erreur s’est produite ici',
      paragraphs: ['Le service a échoué en préparant cette page. Vous n’y êtes pour rien.'],
      steps: ['Attendez une minute, puis rechargez cette page.'],
    },
  },
  help: {
    'help-desk': 'Si cela dure, adressez-vous à votre assistance informatique et montrez-lui cette page.',
    gateway: 'Si cela dure, prévenez la personne qui exploite cette passerelle et montrez-lui cette page.',
  },
  stepsTitle: 'Que faire',
  requestId: 'Identifiant de la requête',
  openConsole: 'Ouvrir la console',
};

export const errorTexts: Readonly<Record<Language, ErrorTexts>> = { en: english, fr: french };
