import type { ToolServer, PermissionMode } from '../../core/provider.ts'

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

interface ThreadOptions {
  readonly sandbox: string
  readonly approvalPolicy: string
  readonly config?: Readonly<Record<string, unknown>>
}

/** Adds ductor's own tools; their token goes over stdin, and into no file. */
export function withTools(options: ThreadOptions, tools: ToolServer | undefined): ThreadOptions {
  if (tools === undefined) return options
  const { name, url, token } = tools
  const server = {
    [`mcp_servers.${name}.url`]: url,
    [`mcp_servers.${name}.http_headers`]: { Authorization: `Bearer ${token}` },
    [`mcp_servers.${name}.default_tools_approval_mode`]: 'approve',
  }
  return { ...options, config: { ...options.config, ...server } }
}

/** The part of `thread/start` and `thread/resume` that says what the agent may do. */
export function threadPermissions({ sandbox, approvalPolicy }: Permissions): ThreadOptions {
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
