import type { Model, PermissionMode, Turn } from '../core/provider.ts'
import { refusalSentence, type Named } from './acp-failure.ts'
import type { AcpProcess } from './acp-process.ts'
import { readConfigOptions, type ConfigOption, type Opened, type Update } from './acp-wire.ts'

type Category = 'model' | 'mode' | 'thought_level'

/** Something about a session that can be chosen. */
interface Knob {
  readonly current: string
  readonly choices: readonly { readonly id: string; readonly name: string; readonly description?: string }[]
  readonly method: string
  params(value: string): object
}

/** By what an agent's modes are known; no name of one is fixed by the protocol. */
const modeWords: Readonly<Record<PermissionMode, RegExp>> = {
  ask: /^(?:default|ask)$/i,
  readOnly: /^read.?only|^plan$/i,
  plan: /^plan\b|architect/i,
  acceptEdits: /accept.?edits|auto.?edit/i,
  bypassPermissions: /bypass|yolo|full.?access/i,
}

/** Model, mode and effort of one session. */
export class AcpSettings {
  readonly #sessionId: string
  #opened: Opened
  /** What a choice was before we changed it. */
  readonly #initial = new Map<Category, string>()

  constructor(sessionId: string, opened: Opened) {
    this.#sessionId = sessionId
    this.#opened = opened
  }

  /** The agent changed something by itself, or tells what our change has changed. */
  take(update: Extract<Update, { sessionUpdate: 'config_option_update' | 'current_mode_update' }>): void {
    if (update.sessionUpdate === 'config_option_update') return this.#takeOptions(update.configOptions)
    const { modes } = this.#opened
    if (modes) this.#opened = { ...this.#opened, modes: { ...modes, currentModeId: update.currentModeId } }
  }

  /** Does the agent have a mode of its own for this? */
  knows(mode: PermissionMode): boolean {
    return mode === 'ask' || this.#modeFor(mode) !== undefined
  }

  /** Sets what the turn asks for and is not so yet. A sentence where that is not possible. */
  async apply(turn: Turn, process: AcpProcess, agent: Named): Promise<string | undefined> {
    const wanted: readonly (readonly [Category, string | undefined])[] = [
      ['model', turn.model],
      // After the model, which decides what efforts there are.
      ['thought_level', turn.effort],
      ['mode', this.#modeFor(turn.permissionMode)],
    ]
    for (const [category, value] of wanted) {
      const problem = await this.#set(category, value ?? this.#initial.get(category), process, agent)
      if (problem !== undefined) return problem
    }
    return undefined
  }

  get models(): readonly Model[] {
    const knob = this.#knob('model')
    const efforts = this.#knob('thought_level')?.choices.map(({ id }) => id) ?? []
    return (knob?.choices ?? []).map(({ id, name, description }) => ({
      id,
      name,
      ...(description === undefined ? {} : { description }),
      // What other models offer is only told once they are chosen.
      efforts: id === knob?.current ? efforts : [],
      ...(id === (this.#initial.get('model') ?? knob?.current) ? { isDefault: true } : {}),
    }))
  }

  #modeFor(mode: PermissionMode): string | undefined {
    return this.#knob('mode')?.choices.find(
      ({ id, name }) => modeWords[mode].test(id) || modeWords[mode].test(name),
    )?.id
  }

  async #set(
    category: Category,
    value: string | undefined,
    process: AcpProcess,
    agent: Named,
  ): Promise<string | undefined> {
    const knob = this.#knob(category)
    if (value === undefined || knob === undefined || knob.current === value) return undefined
    const answer = await process.request(knob.method, knob.params(value))
    if (!answer.ok) {
      const what = { model: 'model', mode: 'mode', thought_level: 'effort' }[category]
      if (answer.refusal.how === 'ended') return answer.refusal.sentence
      return `${agent.name} does not take the ${what} “${value}”. ${refusalSentence(agent, answer.refusal)}`
    }
    if (!this.#initial.has(category)) this.#initial.set(category, knob.current)
    const options = readConfigOptions(answer.result)
    if (options === undefined) this.#mark(category, value)
    else this.#takeOptions(options)
    return undefined
  }

  #knob(category: Category): Knob | undefined {
    const sessionId = this.#sessionId
    const { modes, models, configOptions } = this.#opened
    const option = configOptions?.find((each) => each.category === category)
    if (option !== undefined)
      return {
        current: option.currentValue,
        choices: choicesOf(option),
        method: 'session/set_config_option',
        params: (value) => ({ sessionId, configId: option.id, value }),
      }
    if (category === 'model' && models)
      return {
        current: models.currentModelId,
        choices: models.availableModels.map(({ modelId, name, description }) => ({
          id: modelId,
          name,
          ...(description ? { description } : {}),
        })),
        method: 'session/set_model',
        params: (modelId) => ({ sessionId, modelId }),
      }
    if (category === 'mode' && modes)
      return {
        current: modes.currentModeId,
        choices: modes.availableModes,
        method: 'session/set_mode',
        params: (modeId) => ({ sessionId, modeId }),
      }
    return undefined
  }

  #takeOptions(configOptions: readonly ConfigOption[]): void {
    this.#opened = { ...this.#opened, configOptions: [...configOptions] }
  }

  #mark(category: Category, value: string): void {
    const { modes, models, configOptions } = this.#opened
    this.#opened = {
      ...this.#opened,
      ...(category === 'model' && models ? { models: { ...models, currentModelId: value } } : {}),
      ...(category === 'mode' && modes ? { modes: { ...modes, currentModeId: value } } : {}),
      configOptions: configOptions?.map((option) =>
        option.category === category ? { ...option, currentValue: value } : option,
      ),
    }
  }
}

function choicesOf({ options }: ConfigOption): Knob['choices'] {
  return options
    .flatMap((each) => ('options' in each ? each.options : [each]))
    .map(({ value, name, description }) => ({ id: value, name, ...(description ? { description } : {}) }))
}
