import type { PermissionMode } from '../../core/provider.ts'

/** What Codex calls a permission mode: where a command may write, and when it asks. */
export interface Permissions {
  readonly sandbox: 'read-only' | 'workspace-write' | 'danger-full-access'
  readonly approvalPolicy: 'untrusted' | 'on-request' | 'never'
  /** Codex' own plan mode: it looks, asks and proposes, and carries nothing out. */
  readonly plan: boolean
}

const modes: Readonly<Record<PermissionMode, Permissions>> = {
  readOnly: { sandbox: 'read-only', approvalPolicy: 'never', plan: false },
  // Everything is asked for, so the sandbox has nothing to hold. With a narrower one, what a person allowed would fail
  // without a word, or run twice: inside first, and then outside.
  ask: { sandbox: 'danger-full-access', approvalPolicy: 'untrusted', plan: false },
  acceptEdits: { sandbox: 'workspace-write', approvalPolicy: 'on-request', plan: false },
  plan: { sandbox: 'read-only', approvalPolicy: 'never', plan: true },
  bypassPermissions: { sandbox: 'danger-full-access', approvalPolicy: 'never', plan: false },
}

export function permissionsOf(mode: PermissionMode): Permissions {
  return modes[mode]
}

/** Where a command may write when nobody can be asked: what would be asked for is refused. */
export function sandboxWithoutAsking(mode: PermissionMode): Permissions['sandbox'] {
  return mode === 'ask' ? 'read-only' : modes[mode].sandbox
}

/** The part of `thread/start` and `thread/resume` that says what the agent may do. */
export function threadPermissions({ sandbox, approvalPolicy }: Permissions): object {
  return {
    sandbox,
    approvalPolicy,
    ...(approvalPolicy === 'never'
      ? {}
      : {
          config: {
            // It does not ask for what it types into a terminal that was allowed: a shell would be leave for everything.
            'features.unified_exec_tty': false,
            // Outside its plan mode, too, the agent may ask the person something.
            'features.default_mode_request_user_input': true,
          },
        }),
  }
}
