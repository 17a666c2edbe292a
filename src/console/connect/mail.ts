/** The mail that goes with the consent links, to an administrator of the customer. Plain text, to be copied. */

export interface ConsentMail {
  readonly displayName: string;
  readonly urls: readonly string[];
  /** ISO 8601, UTC. */
  readonly expiresAt: string;
}

const moment = (locale: string, at: string): string =>
  `${new Intl.DateTimeFormat(locale, { dateStyle: 'long', timeStyle: 'short', timeZone: 'UTC' }).format(new Date(at))} UTC`;

const listed = (urls: readonly string[]): string[] =>
  urls.flatMap((url, index) => [`${index + 1}. ${url}`, '']);

export const englishMail = ({ displayName, expiresAt, urls }: ConsentMail): string =>
  [
    `Subject: Consent for connecting Jamf Pro to Microsoft Intune (${displayName})`,
    '',
    'Hello,',
    '',
    'To connect your Jamf Pro to Microsoft Intune, an administrator of your Microsoft Entra tenant has to agree once.',
    'Please open the first link with an account that may consent for the whole organisation, such as a Global',
    'Administrator, and accept. Microsoft shows what is asked for.',
    ...(urls.length > 1
      ? ['After that you are led to the second consent by itself. If you are not, open the second link.']
      : []),
    '',
    ...listed(urls),
    `The links work once each, until ${moment('en-GB', expiresAt)}. After that I send you new ones.`,
    'You can see what was agreed to, and withdraw it, at any time in the Microsoft Entra admin center, under Enterprise',
    'applications.',
  ].join('\n');

export const frenchMail = ({ displayName, expiresAt, urls }: ConsentMail): string =>
  [
    `Objet : Consentement pour connecter Jamf Pro à Microsoft Intune (${displayName})`,
    '',
    'Bonjour,',
    '',
    'Pour connecter votre Jamf Pro à Microsoft Intune, un administrateur de votre locataire Microsoft Entra doit donner',
    'son accord une fois. Veuillez ouvrir le premier lien avec un compte qui peut consentir pour toute l’organisation,',
    'par exemple un administrateur général, et accepter. Microsoft montre ce qui est demandé.',
    ...(urls.length > 1
      ? ['Vous serez ensuite conduit au second consentement. Si ce n’est pas le cas, ouvrez le second lien.']
      : []),
    '',
    ...listed(urls),
    `Chaque lien sert une fois, jusqu’au ${moment('fr-FR', expiresAt)}. Passé ce délai, je vous en enverrai de nouveaux.`,
    'Vous pouvez voir à quoi il a été consenti, et le retirer à tout moment, dans le centre d’administration Microsoft',
    'Entra, sous Applications d’entreprise.',
  ].join('\n');
