import type { ShownConsent } from '../connection/consent.ts';
import type { Language } from './language.ts';
import type { PageText } from './page-layout.ts';

/**
 * The texts of the consent pages, for an administrator of a customer who was sent a link: he has no account at this
 * gateway and has never heard of it. Plain text; the pages escape it.
 */

export interface ConsentTexts {
  readonly results: Readonly<Record<ShownConsent, PageText>>;
  /** The database is away: what came of the consent is not known. */
  readonly unavailable: PageText;
  readonly stepsTitle: string;
  readonly organisation: string;
  /** Before words of Microsoft, which are not translated. */
  readonly said: string;
}

const newLink = 'Ask whoever sent you the link for a new one. Each link works once, for an hour.';
const unchanged = 'Nothing was changed in your organisation by this.';

const english: ConsentTexts = {
  results: {
    granted: {
      title: 'Consent given',
      paragraphs: [
        'Thank you. Your organisation has agreed, and Microsoft has confirmed it. Nothing else is needed from you on this page.',
      ],
      steps: [
        'Tell whoever sent you the link that it is done. They see it too, and finish the connection.',
        'You can see what was agreed to, or withdraw it at any time, in the Microsoft Entra admin center under Enterprise applications.',
        'You can close this page.',
      ],
    },
    'one-more': {
      title: 'The first consent is given, one more is needed',
      paragraphs: [
        'Your organisation has agreed to this application. The connection has a second one, which registers Macs with Microsoft, and it has not been agreed to yet.',
      ],
      steps: [
        'If another page of Microsoft is still open, go on there and accept.',
        'Otherwise open the second link that you were sent.',
        'If it does not work any more, ask whoever sent it for new links. Each works once, for an hour.',
      ],
    },
    declined: {
      title: 'The consent was not given',
      paragraphs: [`Microsoft says that your organisation has not agreed. ${unchanged}`],
      steps: [
        'If you pressed Cancel by mistake, ask whoever sent you the link for a new one and accept there. Each link works once, for an hour.',
        'If Microsoft said that you need an approval, your account may not agree for the whole organisation: forward the new link to a Global Administrator.',
        'If you do not want the connection, there is nothing more to do.',
      ],
    },
    'other-tenant': {
      title: 'Another tenant was signed in to',
      paragraphs: [
        'You were signed in to Microsoft with an account of another organisation than the one that this link is for, so the connection was not made.',
      ],
      steps: [
        'If that other organisation should not have agreed, delete the application there: Microsoft Entra admin center, Enterprise applications.',
        newLink,
        'Open the new link in a private window, and sign in with an administrator of the right organisation.',
      ],
    },
    unproven: {
      title: 'The consent could not be proven',
      paragraphs: [
        'You accepted, but Microsoft does not confirm it yet. That can take a few minutes after a consent, and it can have a cause that only your service provider can mend.',
      ],
      steps: [
        'Show this page to whoever sent you the link, with the words of Microsoft below.',
        'If they ask you to, open the new link that they send, and accept again.',
      ],
    },
    incomplete: {
      title: 'This address is not complete',
      paragraphs: [
        `Something is missing that Microsoft puts into the address of this page when it sends you back. ${unchanged}`,
      ],
      steps: [
        'If you copied the address or opened it from a note, open the link that you were sent instead.',
        'If Microsoft sent you here, tell whoever sent you the link: a filter on the way may change addresses.',
        newLink,
      ],
    },
    unknown: {
      title: 'This link cannot be matched',
      paragraphs: [
        'It was used before, is older than an hour, or was replaced by a newer one. If you saw that the consent was given, it is given.',
      ],
      steps: [newLink],
    },
  },
  unavailable: {
    title: 'Your answer could not be noted yet',
    paragraphs: [
      'The service that you were sent back to cannot note your answer at the moment. At Microsoft it is as you left it.',
    ],
    steps: [
      'Wait a minute, then reload this page.',
      'If it stays like this, tell whoever sent you the link. You can open the link again within an hour of getting it.',
    ],
  },
  stepsTitle: 'What happens now',
  organisation: 'Connection',
  said: 'What Microsoft said',
};

const nouveauLien =
  'Demandez un nouveau lien à la personne qui vous l’a envoyé. Chaque lien sert une fois, pendant une heure.';
const inchange = 'Rien n’a été modifié dans votre organisation.';

const french: ConsentTexts = {
  results: {
    granted: {
      title: 'Consentement donné',
      paragraphs: [
        'Merci. Votre organisation a consenti, et Microsoft l’a confirmé. Vous n’avez plus rien à faire sur cette page.',
      ],
      steps: [
        'Dites à la personne qui vous a envoyé le lien que c’est fait. Elle le voit aussi et termine la connexion.',
        'Vous pouvez voir à quoi il a été consenti, ou le retirer à tout moment, dans le centre d’administration Microsoft Entra, sous Applications d’entreprise.',
        'Vous pouvez fermer cette page.',
      ],
    },
    'one-more': {
      title: 'Le premier consentement est donné, il en faut un second',
      paragraphs: [
        'Votre organisation a consenti à cette application. La connexion en a une seconde, qui inscrit les Mac auprès de Microsoft, et il n’y a pas encore été consenti.',
      ],
      steps: [
        'Si une autre page de Microsoft est encore ouverte, continuez-y et acceptez.',
        'Sinon, ouvrez le second lien qui vous a été envoyé.',
        'S’il ne marche plus, demandez de nouveaux liens à la personne qui vous l’a envoyé. Chacun sert une fois, pendant une heure.',
      ],
    },
    declined: {
      title: 'Le consentement n’a pas été donné',
      paragraphs: [`Microsoft indique que votre organisation n’a pas consenti. ${inchange}`],
      steps: [
        'Si vous avez annulé par erreur, demandez un nouveau lien à la personne qui vous l’a envoyé et acceptez cette fois. Chaque lien sert une fois, pendant une heure.',
        'Si Microsoft a parlé d’une approbation, votre compte ne peut pas consentir pour toute l’organisation\u00a0: transmettez le nouveau lien à un administrateur général.',
        'Si vous ne voulez pas de cette connexion, il n’y a rien d’autre à faire.',
      ],
    },
    'other-tenant': {
      title: 'Vous étiez connecté à un autre locataire',
      paragraphs: [
        'Vous étiez connecté à Microsoft avec un compte d’une autre organisation que celle de ce lien\u00a0; la connexion n’a donc pas été établie.',
      ],
      steps: [
        'Si cette autre organisation n’aurait pas dû consentir, supprimez-y l’application\u00a0: centre d’administration Microsoft Entra, Applications d’entreprise.',
        nouveauLien,
        'Ouvrez le nouveau lien dans une fenêtre privée et connectez-vous avec un administrateur de la bonne organisation.',
      ],
    },
    unproven: {
      title: 'Le consentement n’a pas pu être vérifié',
      paragraphs: [
        'Vous avez accepté, mais Microsoft ne le confirme pas encore. Cela peut prendre quelques minutes après un consentement, ou avoir une cause que seul votre prestataire peut corriger.',
      ],
      steps: [
        'Montrez cette page à la personne qui vous a envoyé le lien, avec les mots de Microsoft ci-dessous.',
        'Si elle vous le demande, ouvrez le nouveau lien qu’elle vous enverra et acceptez de nouveau.',
      ],
    },
    incomplete: {
      title: 'Cette adresse est incomplète',
      paragraphs: [
        `Il manque ce que Microsoft met dans l’adresse de cette page quand il vous y renvoie. ${inchange}`,
      ],
      steps: [
        'Si vous avez copié l’adresse ou l’avez ouverte depuis une note, ouvrez plutôt le lien qui vous a été envoyé.',
        'Si c’est Microsoft qui vous a envoyé ici, dites-le à la personne qui vous a envoyé le lien\u00a0: un filtre modifie peut-être les adresses en chemin.',
        nouveauLien,
      ],
    },
    unknown: {
      title: 'Ce lien ne correspond à rien',
      paragraphs: [
        'Il a déjà servi, date de plus d’une heure ou a été remplacé par un plus récent. Si vous avez vu que le consentement était donné, il l’est.',
      ],
      steps: [nouveauLien],
    },
  },
  unavailable: {
    title: 'Votre réponse n’a pas encore pu être enregistrée',
    paragraphs: [
      'Le service vers lequel vous avez été renvoyé ne peut pas enregistrer votre réponse pour le moment. Chez Microsoft, elle est telle que vous l’avez donnée.',
    ],
    steps: [
      'Attendez une minute, puis rechargez cette page.',
      'Si cela dure, prévenez la personne qui vous a envoyé le lien. Vous pouvez rouvrir ce lien dans l’heure qui suit son envoi.',
    ],
  },
  stepsTitle: 'La suite',
  organisation: 'Connexion',
  said: 'Ce que dit Microsoft',
};

export const consentTexts: Readonly<Record<Language, ConsentTexts>> = { en: english, fr: french };
