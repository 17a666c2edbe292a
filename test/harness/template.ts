/** The database of the run's server that others are made of: nobody is connected to it. */
export const templateDatabase = 'espalier_template';
