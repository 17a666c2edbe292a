import { Hono } from 'hono';
import { needs } from './access.ts';
import { answerJson, invalidId, type JamfEnv } from './answers.ts';
import type { GroupChange, Groups } from './groups.ts';
import type { Computers } from './inventory.ts';

/** Smart group calls of domain/jamf.md 2.4. */
export function groupRoutes(options: {
  computers: Computers;
  groups: Groups;
  onChange: (changes: readonly GroupChange[]) => void;
}): Hono<JamfEnv> {
  const { computers, groups, onChange } = options;
  const app = new Hono<JamfEnv>();
  app.get('/api/v3/computer-groups/smart-group-membership/:id', needs('Read Smart Computer Groups'), (c) => {
    const id = c.req.param('id');
    const group = groups.get(Number(id));
    // Integers here, where ids are strings elsewhere.
    return group ? answerJson(200, { members: [...group.members].sort((a, b) => a - b) }) : invalidId(id);
  });
  app.post('/api/v1/computers/:id/recalculate-smart-groups', needs('Update Smart Computer Groups'), (c) => {
    const id = c.req.param('id');
    const computer = computers.get(Number(id));
    if (!computer) return invalidId(id);
    onChange(groups.recalculate(computer));
    return answerJson(200, { count: groups.countOf(computer.id) });
  });
  return app;
}
