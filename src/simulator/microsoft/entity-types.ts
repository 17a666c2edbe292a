/** The integers that say what an entity of an upload is: domain/microsoft.md 4.4. */
export interface EntityTypes {
  readonly inventory: number;
  /** Jamf's verdict, of `device-compliance` mode. */
  readonly compliance: number;
  /** The legacy second entity, of `conditional-access` mode. */
  readonly complianceInventory: number;
}

/** 1 and 4 are seen in public code; the third is a guess (domain/microsoft.md 12.1). */
export const defaultEntityTypes: EntityTypes = { inventory: 1, compliance: 4, complianceInventory: 2 };
