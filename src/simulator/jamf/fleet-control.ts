import { type Context, Hono } from 'hono';
import { z } from 'zod';
import type { Fleet } from '../fleet.ts';
import { readBody } from './control.ts';
import { registeredDeviceIds } from './inventory.ts';
import type { Mac } from './mac.ts';

const share = z.number().min(0).max(1);

// A Mac is named by one of its device ids, or by its record in an instance.
const target = {
  deviceId: z.string().min(1).optional(),
  instance: z.string().min(1).optional(),
  computerId: z.int().min(1).optional(),
};
const targetBody = z.strictObject(target);
const inventoryBody = z.strictObject({
  ...target,
  changes: z
    .strictObject({
      name: z.string().min(1).optional(),
      osVersion: z.string().min(1).optional(),
      osBuild: z.string().min(1).optional(),
      username: z.string().optional(),
      email: z.string().optional(),
      serialNumber: z.string().min(1).optional(),
      udid: z.string().min(1).optional(),
      companyPortalInstalled: z.boolean().optional(),
      fileVaultEnabled: z.boolean().optional(),
      firewallEnabled: z.boolean().optional(),
      gatekeeperEnabled: z.boolean().optional(),
      sipEnabled: z.boolean().optional(),
    })
    .optional(),
});
const compliantBody = z.strictObject({ ...target, compliant: z.boolean() });
const stateBody = z.strictObject({
  ...target,
  state: z.enum(['ACTIVATED', 'DEACTIVATED', 'UNRESPONSIVE', 'UNKNOWN']),
});
const reRegisterBody = z.strictObject({
  ...target,
  removeOld: z.boolean().optional(),
  usernames: z.array(z.string().min(1)).min(1).optional(),
});
const moveBody = z.strictObject({
  ...target,
  to: z.string().min(1),
  registration: z.enum(['kept', 'lost']).optional(),
});
const addBody = z.strictObject({
  tenantId: z.string().min(1),
  instance: z.string().min(1),
  count: z.int().min(1).max(100_000),
  compliantShare: share.optional(),
  unregisteredShare: share.optional(),
  twoUsersShare: share.optional(),
  passwordPolicyShare: share.optional(),
});
const startBody = z.strictObject({ everyMs: z.int().min(1).optional() });
const announceBody = z.strictObject({ spreadMs: z.int().min(0).optional() });

type Target = z.infer<typeof targetBody>;

const summary = (mac: Mac) => ({
  tenantId: mac.tenantId,
  instance: mac.instanceName,
  computerId: mac.computerId,
  reporting: mac.reporting,
  serialNumber: mac.facts.serialNumber,
  udid: mac.facts.udid,
  name: mac.facts.name,
  deviceIds: registeredDeviceIds(mac.facts),
});

const fault = (c: Context, status: 400 | 404, field: string, message: string): Response =>
  c.json({ errors: [{ field, message }] }, status);

function find(fleet: Fleet, { deviceId, instance, computerId }: Target): Mac | undefined {
  if (deviceId !== undefined) return fleet.findByDevice(deviceId);
  return instance === undefined || computerId === undefined
    ? undefined
    : fleet.findByComputer(instance, computerId);
}

/** The control API of the fleet, mounted at `/control/fleet`. */
export function fleetControl(options: {
  fleet: Fleet;
  hasTenant: (tenantId: string) => boolean;
  hasInstance: (name: string) => boolean;
}): Hono {
  const { fleet } = options;
  const app = new Hono();

  /** One operation on one Mac: 200 with the Mac afterwards, 404 for an unknown Mac. */
  const operation = <T extends Target>(
    name: string,
    schema: z.ZodType<T>,
    act: (mac: Mac, body: T) => void,
  ): void => {
    app.post(`/${name}`, async (c) => {
      const read = await readBody(c, schema);
      if (!read.ok) return read.answer;
      const { deviceId, instance, computerId } = read.value;
      if (deviceId === undefined && (instance === undefined || computerId === undefined))
        return fault(c, 400, 'deviceId', 'give deviceId, or instance and computerId');
      const mac = find(fleet, read.value);
      if (!mac) return fault(c, 404, deviceId === undefined ? 'computerId' : 'deviceId', 'no such Mac');
      act(mac, read.value);
      return c.json(summary(mac));
    });
  };

  app.get('/truth', (c) => c.json(fleet.truth()));
  app.get('/macs', (c) => c.json(fleet.macs().map(summary)));
  app.post('/macs', async (c) => {
    const read = await readBody(c, addBody);
    if (!read.ok) return read.answer;
    const { tenantId, instance, count, ...shares } = read.value;
    if (!options.hasTenant(tenantId)) return fault(c, 400, 'tenantId', 'no such tenant');
    if (!options.hasInstance(instance)) return fault(c, 400, 'instance', 'no such instance');
    const added = fleet.addMacs({ tenantId, instance, count, ...shares });
    return c.json(added.map(summary), 201);
  });

  operation('check-in', targetBody, fleet.checkIn);
  operation('update-inventory', inventoryBody, (mac, { changes }) => fleet.updateInventory(mac, changes));
  operation('set-compliant', compliantBody, (mac, { compliant }) => fleet.setCompliant(mac, compliant));
  operation('set-registration-state', stateBody, (mac, { state }) => fleet.setRegistrationState(mac, state));
  operation('unregister', targetBody, fleet.unregister);
  operation('re-register', reRegisterBody, (mac, { removeOld, usernames }) =>
    fleet.reRegister(mac, { removeOld, ...(usernames ? { usernames } : {}) }),
  );
  operation('re-enrol', targetBody, fleet.reEnrol);
  operation('wipe', targetBody, fleet.wipe);
  operation('delete-computer', targetBody, fleet.deleteComputer);
  operation('unmanage', targetBody, fleet.unmanage);
  const movable = moveBody.refine(({ to }) => options.hasInstance(to), {
    path: ['to'],
    message: 'no such instance',
  });
  operation('move-to', movable, (mac, { registration, to }) =>
    fleet.moveTo(mac, to, registration ? { registration } : {}),
  );

  app.post('/start', async (c) => {
    const read = await readBody(c, startBody);
    if (!read.ok) return read.answer;
    fleet.start(read.value);
    return c.json({ alive: fleet.isAlive() });
  });
  app.post('/stop', (c) => {
    fleet.stop();
    return c.json({ alive: fleet.isAlive() });
  });
  app.post('/announce', async (c) => {
    const read = await readBody(c, announceBody);
    if (!read.ok) return read.answer;
    return c.json({ macs: fleet.announce(read.value) }, 202);
  });
  return app;
}
