/** The database of the run's server that others are made of: nobody is connected to it. */
export const templateDatabase = 'espalier_template';

/** The role that gateways of the tests serve with; it owns nothing and has the rights of `migrations/grants/serving.sql`. */
export const servingRole = { name: 'espalier_serve', password: 'the-serving-password' } as const;
