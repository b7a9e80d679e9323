import { MatrixError } from '../client.ts'
import { ensureIdentity, type IdentityDeps } from './identity.ts'
import { ProofNeeded } from './proof.ts'

/** Whether the account vouches for this device, and what a person has to do where it does not. */
export class OwnTrust {
  readonly #deps: IdentityDeps
  readonly #backupOpened: () => void
  #wanted: string | undefined
  #hasIdentity = false

  /** `backupOpened`: room keys may be there now that were not. */
  constructor(deps: IdentityDeps, backupOpened: () => void) {
    this.#deps = deps
    this.#backupOpened = backupOpened
  }

  /** What a person has to do so that everybody can trust the bot's session, if anything. */
  get wanted(): string | undefined {
    return this.#wanted
  }

  /** Throws what the client throws, as long as it may pass. */
  async renew(signal: AbortSignal): Promise<void> {
    this.#wanted = await this.#ensureIdentity(signal)
    this.#hasIdentity = await this.#hasSecrets()
    if (this.#wanted === undefined) return
    this.#deps.log.warn({ wanted: this.#wanted }, 'the bot is not verified')
    await this.#deps.olm.requestMissingSecretsIfNeeded()
  }

  /** Another session of the account may have sent what it knows, after a person verified the two. */
  async takeSecrets(signal: AbortSignal): Promise<void> {
    const { olm, backup } = this.#deps
    const name = 'm.megolm_backup.v1'
    let news = !this.#hasIdentity && (await this.#hasSecrets())
    for (const secret of await olm.getSecretsFromInbox(name)) {
      if (await backup.adopt(secret, signal)) {
        this.#backupOpened()
        news = true
      }
    }
    if (!news) return
    await olm.deleteSecretsFromInbox(name)
    await this.renew(signal)
  }

  /** Does this device have what it takes to sign others of the account? */
  async #hasSecrets(): Promise<boolean> {
    const { hasMaster, hasSelfSigning } = await this.#deps.olm.crossSigningStatus()
    return hasMaster && hasSelfSigning
  }

  /** Without an identity the bot still reads and writes, if not with everybody: only a passing failure is one. */
  async #ensureIdentity(signal: AbortSignal): Promise<string | undefined> {
    try {
      return await ensureIdentity(this.#deps, signal)
    } catch (error) {
      if (error instanceof ProofNeeded) return error.message
      if (!(error instanceof MatrixError) || error.passing || error.deadToken) throw error
      return `The session of the bot is not verified: the homeserver refused to take its identity (${error.message}).`
    }
  }
}
