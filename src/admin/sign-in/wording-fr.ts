import { appRoleNames } from '../operators/app-roles.ts';
import type { SignInTexts } from './wording.ts';

const format = new Intl.DateTimeFormat('fr', { dateStyle: 'long', timeStyle: 'short', timeZone: 'UTC' });
const askGateway = 'Prévenez la personne qui exploite cette passerelle et montrez-lui cette page.';

export const french: SignInTexts = {
  signIn: {
    title: 'Se connecter à Espalier',
    paragraphs: [
      'Les opérateurs se connectent avec leur compte professionnel Microsoft. Il lui faut un des rôles d’application d’Espalier.',
    ],
  },
  signInButton: 'Se connecter avec Microsoft',
  keyTitle: 'Avec une clé d’API',
  keyLabel: 'Clé d’API',
  keyButton: 'Se connecter avec la clé',
  keyNote:
    'La clé est échangée contre une session, qui a son rôle et ses locataires et prend fin avec elle. Votre navigateur ne la garde pas.',
  keyRefused: 'Cette clé est inconnue, expirée ou révoquée. Vérifiez qu’elle a été copiée en entier.',
  oneTime: {
    title: 'Ouvrir la console de la démonstration',
    paragraphs: [
      'La démonstration de cette machine a créé ce lien. Le bouton connecte ce navigateur comme administrateur, et le lien ne sert plus ensuite.',
    ],
  },
  oneTimeButton: 'Ouvrir la console',
  oneTimeGone: {
    title: 'Ce lien ne fonctionne plus',
    paragraphs: [
      'Il sert une seule fois, pendant dix minutes, jusqu’à la fin de la démonstration ou la création d’une clé d’administrateur.',
    ],
    steps: [
      'Connectez-vous sur /sign-in avec la clé de la démonstration\u00a0: le fichier simulator/bootstrap-key de son répertoire de données, .espalier-demo sauf autre choix.',
      'Relancez la démonstration pour obtenir un autre lien.',
    ],
  },
  signedOut: 'Vous êtes déconnecté ici. Vous êtes peut-être encore connecté chez Microsoft.',
  signedIn: (name) => `Vous êtes connecté en tant que ${name}`,
  roles: {
    admin: 'Votre rôle est «\u00a0admin\u00a0»\u00a0: vous pouvez tout faire.',
    operator:
      'Votre rôle est «\u00a0operator\u00a0»\u00a0: vous pouvez tout lire, et modifier appareils, routes, déplacements et rapports.',
    viewer: 'Votre rôle est «\u00a0viewer\u00a0»\u00a0: vous pouvez tout lire.',
  },
  lasts: (at) => `La session prend fin au plus tard le ${at}, et après 30 minutes sans requête.`,
  apiLink: 'L’API d’administration',
  continueLink: 'Continuer',
  signOutButton: 'Se déconnecter',
  again: 'Se reconnecter',
  otherAccount: 'Utiliser un autre compte',
  stepsTitle: 'Que faire',
  microsoftSaid: 'Réponse de Microsoft',
  requestId: 'Identifiant de la requête',
  code: 'Numéro d’erreur',
  traceId: 'Identifiant de trace chez Microsoft',
  notSetUp: {
    title: 'La connexion n’est pas configurée',
    paragraphs: [
      'Cette passerelle ne connaît aucun locataire dont les utilisateurs sont opérateurs\u00a0; son API d’administration ne s’ouvre qu’avec des clés.',
    ],
    steps: ['Pour changer cela, définissez ESPALIER_OPERATOR_TENANTS et redémarrez (docs/sign-in.md).'],
  },
  badReturn: {
    title: 'Cette adresse est incomplète',
    paragraphs: [
      'returnTo n’est pas un chemin de cette passerelle\u00a0: il commence par une seule barre oblique et ne nomme aucun autre site.',
    ],
    steps: ['Commencez par la page de connexion.'],
  },
  busy: {
    title: 'Trop de connexions',
    paragraphs: ['Trop de connexions ont été commencées depuis votre adresse réseau.'],
    steps: ['Attendez une minute puis réessayez.'],
  },
  unavailable: {
    title: 'La connexion est impossible pour le moment',
    paragraphs: ['La base de données de la passerelle ne répond pas.'],
    steps: ['Réessayez dans une minute.', askGateway],
  },
  forged: (adminUrl) => ({
    title: 'Cette requête ne vient pas d’Espalier',
    paragraphs: [
      'Elle ne vient pas d’une page de cette passerelle, ou vient de celle d’une session antérieure. Rien n’a été fait.',
    ],
    steps: [
      'Ouvrez à nouveau la page et réessayez là.',
      `Votre navigateur doit être à l’adresse ${adminUrl}. Si cette passerelle en a une autre, la personne qui l’exploite définit ESPALIER_ADMIN_URL.`,
    ],
  }),
  notMatched: {
    title: 'Cette connexion ne correspond à aucune demande',
    paragraphs: [
      'Elle a déjà été terminée, a duré plus de dix minutes, ou a été commencée dans un autre navigateur. Les cookies sont peut-être désactivés.',
    ],
    steps: [
      'Reconnectez-vous, dans une seule fenêtre du navigateur.',
      'Autorisez les cookies pour cette adresse.',
    ],
  },
  incomplete: {
    title: 'La réponse de Microsoft est incomplète',
    paragraphs: ['L’adresse avec laquelle votre navigateur est revenu ne contient pas tout le nécessaire.'],
    steps: ['Reconnectez-vous.', askGateway],
  },
  token: {
    title: 'La réponse de Microsoft n’est pas valable',
    paragraphs: ['Le jeton donné par Microsoft n’est pas celui que cette connexion a demandé.'],
    steps: ['Reconnectez-vous.', `Si cela se reproduit\u00a0: ${askGateway}`],
  },
  clock: {
    title: 'Les horloges diffèrent',
    paragraphs: [
      'Le jeton donné par Microsoft n’est pas valable en ce moment, d’après l’horloge de la passerelle.',
    ],
    steps: ['La personne qui exploite la passerelle doit en corriger l’horloge.'],
  },
  keys: {
    title: 'Les clés de Microsoft sont illisibles',
    paragraphs: ['La passerelle ne peut pas lire les clés avec lesquelles elle vérifie les connexions.'],
    steps: ['Réessayez dans une minute.', askGateway],
  },
  otherTenant: {
    title: 'Votre organisation n’est pas opératrice ici',
    paragraphs: [
      'Vous vous êtes connecté avec un compte d’un locataire dont les utilisateurs ne sont pas opérateurs de cette passerelle.',
    ],
    steps: [
      'Utilisez un compte de la bonne organisation.',
      'La personne qui exploite la passerelle peut ajouter le locataire à ESPALIER_OPERATOR_TENANTS.',
    ],
  },
  noRole: (name) => ({
    title: 'Votre compte n’a aucun rôle ici',
    paragraphs: [`${name} n’a aucun des rôles d’application ${appRoleNames.join(', ')}.`],
    steps: [
      'Un administrateur de votre locataire en attribue un\u00a0: centre d’administration Microsoft Entra, Applications d’entreprise, l’application d’Espalier, Utilisateurs et groupes.',
      'Reconnectez-vous ensuite\u00a0: les rôles sont lus à la connexion.',
    ],
  }),
  entra: {
    declined: {
      title: 'Vous avez refusé',
      paragraphs: ['Microsoft a demandé si Espalier pouvait lire votre nom, et la réponse a été non.'],
      steps: ['Reconnectez-vous et acceptez.'],
    },
    consent: {
      title: 'L’application n’a pas de consentement',
      paragraphs: ['Votre locataire n’a pas consenti à l’application d’Espalier.'],
      steps: [
        'Un administrateur du locataire l’accorde\u00a0: Applications d’entreprise, l’application, Autorisations.',
      ],
    },
    assignment: {
      title: 'Vous n’êtes pas affecté à Espalier',
      paragraphs: [
        'Votre locataire ne laisse entrer dans cette application que les personnes affectées, et vous n’en faites pas partie.',
      ],
      steps: [
        `Un administrateur de votre locataire vous attribue l’un des rôles ${appRoleNames.join(', ')}\u00a0: Applications d’entreprise, l’application, Utilisateurs et groupes.`,
      ],
    },
    disabled: {
      title: 'L’application est désactivée',
      paragraphs: ['L’application d’Espalier est désactivée dans votre locataire.'],
      steps: [
        'Son administrateur peut activer la connexion\u00a0: Applications d’entreprise, l’application, Propriétés.',
      ],
    },
    account: {
      title: 'Ce compte ne peut pas être utilisé',
      paragraphs: ['Le compte est désactivé ou n’appartient pas au locataire.'],
      steps: ['Utilisez un autre compte.'],
    },
    policy: {
      title: 'Une stratégie de votre organisation l’empêche',
      paragraphs: ['L’accès conditionnel de votre locataire ne vous a pas laissé entrer.'],
      steps: [
        'Connectez-vous depuis un appareil géré par votre organisation.',
        'Adressez-vous à l’administrateur de votre locataire.',
      ],
    },
    credential: {
      title: 'Les informations d’identification de la passerelle sont refusées',
      paragraphs: [
        'Microsoft n’accepte pas le certificat ou le secret que cette passerelle possède pour l’application des opérateurs.',
      ],
      steps: [
        'La personne qui exploite la passerelle vérifie ESPALIER_OPERATOR_CERT_FILE et ESPALIER_OPERATOR_KEY_FILE, ou ESPALIER_OPERATOR_CLIENT_SECRET\u00a0; à défaut, ceux du connecteur comptent.',
        askGateway,
      ],
    },
    code: {
      title: 'Cette connexion a déjà servi',
      paragraphs: ['Ce que Microsoft a donné à votre navigateur a déjà servi ou est trop ancien.'],
      steps: ['Reconnectez-vous.'],
    },
    redirect: {
      title: 'L’adresse de redirection ne correspond pas',
      paragraphs: ['L’adresse de cette passerelle n’est pas celle avec laquelle la connexion a commencé.'],
      steps: [
        'La personne qui exploite la passerelle enregistre ESPALIER_ADMIN_URL + /sign-in/callback dans l’application, plateforme Web.',
      ],
    },
    later: {
      title: 'Microsoft ne répond pas',
      paragraphs: ['Entra est injoignable ou demande d’attendre.'],
      steps: ['Réessayez dans une minute.', askGateway],
    },
    other: {
      title: 'Microsoft ne vous a pas laissé entrer',
      paragraphs: ['Microsoft a refusé cette connexion.'],
      steps: ['Reconnectez-vous.', askGateway],
    },
  },
  moment: (at) => `${format.format(at)}\u00a0UTC`,
};
