/**
 * The channel that says a stage of delivery has something new; its payload is the stage's name. One notification
 * per transaction, never per row: it takes an instance-wide lock at commit (design D3).
 */
export const dueChannel = 'espalier_due';
