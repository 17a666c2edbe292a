/** Names what an answer lacks, and the age in seconds of what it was made of. */
export const degradedHeader = 'x-espalier-degraded';
