import type { Buffer } from "node:buffer";

/*
 * Each script is one atomic step of Redis. KEYS[1] is the channel's meta hash; all keys of a call
 * share a hash tag (`redis_keys.ts`).
 *
 * Redis that restarts, or a replica that takes over, may have lost the newest publications: their
 * offsets would be given a second time, and subscribers would take the new ones for those they
 * know. Therefore the meta hash names the run of Redis that wrote it, and the first script in
 * another run begins a new epoch. Offsets go on, and history stays: `p` and `s` say which epoch
 * was before and with which offset it ended here, so that whoever comes from it is told of the gap
 * and given what follows, not everything again. INFO costs as much as the rest, so the caller says
 * which run it believes in, and only a doubt is looked into.
 *
 * meta: e epoch, o newest offset, r run, p epoch before, s its last offset here.
 */
const OPEN = `
-- ARGV: [1] the run believed in, [2] an epoch to begin, [3] for how long the meta is kept.
local function open(...)
  local meta = redis.call('HMGET', KEYS[1], 'e', 'o', 'r', 'p', 's')
  local epoch, offset, run = meta[1], tonumber(meta[2] or 0), meta[3]
  if epoch and run == ARGV[1] then return epoch, offset, run, meta[4], meta[5] end
  local now = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
  if epoch and run == now then return epoch, offset, run, meta[4], meta[5] end
  if not epoch then
    -- What is kept without its meta, as after an eviction, has offsets of an unknown history.
    redis.call('DEL', ...)
    redis.call('HSET', KEYS[1], 'e', ARGV[2], 'o', 0, 'r', now)
    redis.call('PEXPIRE', KEYS[1], ARGV[3])
    return ARGV[2], 0, now, false, false
  end
  redis.call('HSET', KEYS[1], 'e', ARGV[2], 'r', now, 'p', epoch, 's', offset)
  return ARGV[2], offset, now, epoch, offset
end

local function time()
  local now = redis.call('TIME')
  return now[1] * 1000 + math.floor(now[2] / 1000)
end
`;

// KEYS meta, history or latest, order, channel.
// ARGV [4] "SPUBLISH" or "PUBLISH", [5] 1 for a latest channel, [6] how many to keep, [7] for how
// long, [8] for how long a publisher may send again what it has sent; then for each publication: body,
// key or "", and "" or who may send it again: a publisher, and its number. Answers with epoch, run and
// the offsets.
const PUBLISH = `${OPEN}
local epoch, _, run = open(KEYS[2], KEYS[3])
local now, latest = time(), ARGV[5] == '1'
local keep, ttl = tonumber(ARGV[6]), tonumber(ARGV[7])
local kept = keep > 0 and ttl > 0
local answer, messages = { epoch, run }, {}

local function publish(body, key)
  -- Before anything that could fail: no offset is given twice.
  local offset = redis.call('HINCRBY', KEYS[1], 'o', 1)
  local message = struct.pack('>c1dd', 'p', offset, now) .. epoch .. body
  messages[#messages + 1] = message
  if kept and latest then
    redis.call('HSET', KEYS[2], key, message)
    redis.call('ZADD', KEYS[3], offset, key)
  elseif kept then
    redis.call('XADD', KEYS[2], 'MAXLEN', '~', keep, string.format('%.0f-0', offset), 'm', message)
  end
  return offset
end

-- As many of a publisher are known as it may have under way. The key is none of KEYS, for who they are
-- is known here alone; it has the channel's hash tag.
local function publishOnce(body, key, publisher, number)
  local place, slot = KEYS[4] .. ':published:' .. publisher, number % 128
  local known = redis.call('HGET', place, slot)
  local was, at = string.match(known or '', '(%d+) (%d+)')
  if was == number then return tonumber(at) end
  local at = publish(body, key)
  redis.call('HSET', place, slot, string.format('%s %.0f', number, at))
  redis.call('PEXPIRE', place, ARGV[8])
  return at
end

for at = 9, #ARGV, 3 do
  local body, key, again = ARGV[at], ARGV[at + 1], ARGV[at + 2]
  if again == '' then
    answer[#answer + 1] = publish(body, key)
  else
    answer[#answer + 1] = publishOnce(body, key, string.match(again, '(.*) (%d+)'))
  end
end
redis.call('PEXPIRE', KEYS[1], ARGV[3])
if #messages == 0 then return answer end

if kept then redis.call('PEXPIRE', KEYS[2], ttl) end
if kept and latest then
  local over = redis.call('ZCARD', KEYS[3]) - keep
  if over > 0 then
    local oldest = redis.call('ZPOPMIN', KEYS[3], over)
    for at = 1, #oldest, 2 do redis.call('HDEL', KEYS[2], oldest[at]) end
  end
  redis.call('PEXPIRE', KEYS[3], ttl)
end
if #messages == 1 then redis.call(ARGV[4], KEYS[4], messages[1]) return answer end
for at, message in ipairs(messages) do messages[at] = struct.pack('>I4', #message) .. message end
redis.call(ARGV[4], KEYS[4], 'b' .. table.concat(messages))
return answer
`;

// KEYS meta, history. ARGV [4] epoch and [5] offset to go on from ("" for the newest), [6] how many,
// [7] how many are kept, [8] for how long.
const HISTORY = `${OPEN}
local epoch, offset, run, before, switched = open(KEYS[2])
local since, limit, keep = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
local expired = time() - tonumber(ARGV[8])
repeat
  local page, from = redis.call('XRANGE', KEYS[2], '-', '+', 'COUNT', 64), nil
  for _, entry in ipairs(page) do
    if struct.unpack('>d', entry[2][2], 10) > expired then break end
    from = tonumber(string.match(entry[1], '%d+')) + 1
  end
  if from then redis.call('XTRIM', KEYS[2], 'MINID', '=', string.format('%.0f-0', from)) end
until not from
-- Redis trims loosely; what it keeps over the size is as good as gone.
local lowest = math.max(offset - keep, 0)
local entries
if ARGV[4] == '' then
  entries = redis.call('XREVRANGE', KEYS[2], '+', string.format('%.0f-0', lowest + 1), 'COUNT', limit)
else
  if ARGV[4] == before then since = math.min(since, tonumber(switched))
  elseif ARGV[4] ~= epoch then since = 0 end
  local from = string.format('%.0f-0', math.max(since, lowest) + 1)
  entries = redis.call('XRANGE', KEYS[2], from, '+', 'COUNT', limit)
end
local messages = {}
for at, entry in ipairs(entries) do messages[at] = entry[2][2] end
return { offset, epoch, run, messages }
`;

// KEYS meta, latest, order. ARGV [4] how long a key is kept.
const LATEST = `${OPEN}
local epoch, offset, run = open(KEYS[2], KEYS[3])
local expired = time() - tonumber(ARGV[4])
while true do
  local key = redis.call('ZRANGE', KEYS[3], 0, 0)[1]
  if not key then break end
  local message = redis.call('HGET', KEYS[2], key)
  if message and struct.unpack('>d', message, 10) > expired then break end
  redis.call('ZREM', KEYS[3], key)
  redis.call('HDEL', KEYS[2], key)
end
return { offset, epoch, run, redis.call('HVALS', KEYS[2]) }
`;

// KEYS meta, history or latest, order.
const CHECK = `${OPEN}
local epoch, offset, run = open(KEYS[2], KEYS[3])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return { offset, epoch, run }
`;

/*
 * Presence. A member belongs to a node, whose lease in each of its channels it renews; what changes
 * in one call is told together.
 *
 * KEYS members, joined, leases, channel. ARGV[1] "SPUBLISH" or "PUBLISH".
 */
const PRESENCE = `
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local changes = {}

local function publish()
  if #changes > 0 then redis.call(ARGV[1], KEYS[4], 'm' .. table.concat(changes)) end
  changes = {}
end

-- A thousand in one message: with 1 KiB of info each a megabyte, and Redis cuts off at 32.
local function tell(sign, member)
  changes[#changes + 1] = sign .. struct.pack('>I4', #member) .. member
  if #changes == 1000 then publish() end
end

local function leave(session, member)
  redis.call('HDEL', KEYS[1], session)
  redis.call('ZREM', KEYS[2], session)
  tell('-', member)
end

local function hold(node, ttl)
  redis.call('HSET', KEYS[3], node, string.format('%.0f', now + ttl))
end

-- Before the sweep: a node that comes late, and that nobody has given up, keeps its members.
local function renew(node, ttl)
  local known = redis.call('HEXISTS', KEYS[3], node)
  if known == 1 then hold(node, ttl) end
  return known
end

-- Whoever comes takes out the members of nodes that no longer renew.
local function sweep()
  local leases, dead = redis.call('HGETALL', KEYS[3]), {}
  for at = 1, #leases, 2 do
    if tonumber(leases[at + 1]) <= now then
      dead[leases[at]] = true
      redis.call('HDEL', KEYS[3], leases[at])
    end
  end
  if not next(dead) then return end
  local members = redis.call('HGETALL', KEYS[1])
  for at = 1, #members, 2 do
    if dead[string.sub(members[at + 1], 1, 16)] then leave(members[at], members[at + 1]) end
  end
end
`;

// ARGV [2] node, [3] time of its lease, [4] how many join; a session and a member for each, then
// the sessions that leave. Returns 0 if Redis knew nothing of the node here.
const MEMBERS_CHANGE = `${PRESENCE}
local node, ttl, joins = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local known = renew(node, ttl)
sweep()
local order = clock[1] * 1000000 + clock[2]
for at = 1, joins do
  local session, member = ARGV[3 + 2 * at], node .. ARGV[4 + 2 * at]
  redis.call('HSET', KEYS[1], session, member)
  if redis.call('ZADD', KEYS[2], 'NX', string.format('%.0f', order), session) == 1 then
    tell('+', member)
    order = order + 1
  end
end
for at = 5 + 2 * joins, #ARGV do
  local member = redis.call('HGET', KEYS[1], ARGV[at])
  -- A session that has moved to another node stays.
  if member and string.sub(member, 1, 16) == node then leave(ARGV[at], member) end
end
if joins > 0 then hold(node, ttl) end
for key = 1, 3 do redis.call('PEXPIRE', KEYS[key], 2 * ttl) end
publish()
return known
`;

// ARGV [2] node, [3] time of its lease. Returns 0 if Redis knows nothing of the node here.
const MEMBERS_RENEW = `${PRESENCE}
local node, ttl = ARGV[2], tonumber(ARGV[3])
local known = renew(node, ttl)
sweep()
for key = 1, 3 do redis.call('PEXPIRE', KEYS[key], 2 * ttl) end
publish()
return known
`;

// ARGV [2] node, then all its sessions: what Redis has of it besides is left from a call that was
// given up. Of them it tells as of any that leave.
const MEMBERS_PRUNE = `${PRESENCE}
local here = {}
for at = 3, #ARGV do here[ARGV[at]] = true end
local members = redis.call('HGETALL', KEYS[1])
for at = 1, #members, 2 do
  local session, member = members[at], members[at + 1]
  if string.sub(member, 1, 16) == ARGV[2] and not here[session] then leave(session, member) end
end
publish()
return 1
`;

// ARGV [2] how many at most.
const MEMBERS_LIST = `${PRESENCE}
sweep()
publish()
local sessions = redis.call('ZRANGE', KEYS[2], 0, ARGV[2] - 1)
if #sessions == 0 then return {} end
return redis.call('HMGET', KEYS[1], unpack(sessions))
`;

const MEMBERS_COUNT = `${PRESENCE}
sweep()
publish()
return redis.call('ZCARD', KEYS[2])
`;

/*
 * A session that nodes hand to each other: one text, with the eight characters of its node's name in
 * front, or hyphens where it waits for any node. KEYS[1] is the session.
 */
const SESSION = `
local kept = redis.call('GET', KEYS[1])
local owner = kept and string.sub(kept, 1, 8)
-- Whether it is another node's.
local function moved(node) return owner and owner ~= node and owner ~= '--------' end
`;

// ARGV [1] the node that says so, [2] the text, [3] for how long. Returns 0 if it is another node's.
const SESSION_PUT = `${SESSION}
if moved(ARGV[1]) then return 0 end
redis.call('PSETEX', KEYS[1], ARGV[3], ARGV[2])
return 1
`;

// ARGV [1] from whom, [2] by whom, [3] what must be in the text, [4] for how long.
const SESSION_TAKE = `${SESSION}
if owner ~= ARGV[1] or not string.find(kept, ARGV[3], 9, true) then return false end
redis.call('PSETEX', KEYS[1], ARGV[4], ARGV[2])
return kept
`;

// ARGV [1] the node that has it, [2] for how long. Returns 0 if it is gone, -1 if another node has it.
const SESSION_RENEW = `${SESSION}
if moved(ARGV[1]) then return -1 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
`;

// ARGV [1] the node that has it.
const SESSION_REMOVE = `${SESSION}
if moved(ARGV[1]) then return 0 end
return redis.call('DEL', KEYS[1])
`;

/*
 * A number that nodes have together: a hash of how many each has, and until when that holds.
 */
// KEYS counts. ARGV [1] node, [2] how many it has, [3] how many more it wants, [4] how many all may
// have, [5] for how long it holds. Returns how many more it has now.
const CLAIM = `
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local counts, others = redis.call('HGETALL', KEYS[1]), 0
for at = 1, #counts, 2 do
  if counts[at] ~= ARGV[1] then
    local count, ends = string.match(counts[at + 1], '(%d+) (%d+)')
    if tonumber(ends) <= now then redis.call('HDEL', KEYS[1], counts[at])
    else others = others + tonumber(count) end
  end
end
local has, ttl = tonumber(ARGV[2]), tonumber(ARGV[5])
local more = math.max(0, math.min(tonumber(ARGV[3]), tonumber(ARGV[4]) - others - has))
if has + more == 0 then
  redis.call('HDEL', KEYS[1], ARGV[1])
else
  redis.call('HSET', KEYS[1], ARGV[1], string.format('%d %.0f', has + more, now + ttl))
  redis.call('PEXPIRE', KEYS[1], ttl)
end
return more
`;

/*
 * A rate that nodes have together: what was taken in the second that began with the first of it.
 */
// KEYS taken. ARGV [1] how many points, [2] the window, in seconds; what else rate-limiter-flexible
// says is not needed. Returns what was taken in the window, and how long it still lasts.
const TAKE = `
local taken = redis.call('INCRBY', KEYS[1], ARGV[1])
local left = redis.call('PTTL', KEYS[1])
if left < 0 then
  left = ARGV[2] * 1000
  redis.call('PEXPIRE', KEYS[1], left)
end
return { taken, left }
`;

/** The scripts, as ioredis takes them: it sends the text once, and its hash from then on. */
export const REDIS_SCRIPTS = {
  slipPublish: { lua: PUBLISH, numberOfKeys: 4 },
  slipHistory: { lua: HISTORY, numberOfKeys: 2 },
  slipLatest: { lua: LATEST, numberOfKeys: 3 },
  slipCheck: { lua: CHECK, numberOfKeys: 3 },
  slipMembersChange: { lua: MEMBERS_CHANGE, numberOfKeys: 4 },
  slipMembersRenew: { lua: MEMBERS_RENEW, numberOfKeys: 4 },
  slipMembersPrune: { lua: MEMBERS_PRUNE, numberOfKeys: 4 },
  slipMembersList: { lua: MEMBERS_LIST, numberOfKeys: 4 },
  slipMembersCount: { lua: MEMBERS_COUNT, numberOfKeys: 4 },
  slipSessionPut: { lua: SESSION_PUT, numberOfKeys: 1 },
  slipSessionTake: { lua: SESSION_TAKE, numberOfKeys: 1 },
  slipSessionRenew: { lua: SESSION_RENEW, numberOfKeys: 1 },
  slipSessionRemove: { lua: SESSION_REMOVE, numberOfKeys: 1 },
  slipClaim: { lua: CLAIM, numberOfKeys: 1 },
  slipTake: { lua: TAKE, numberOfKeys: 1 },
} as const;

type Arguments = (string | number | Buffer)[];

/** Newest offset, epoch, and the run of Redis that answered. */
export type PositionReply = [offset: number, epoch: string, run: string];
/** Epoch, run, and an offset for each publication. */
export type PublishedReply = [epoch: string, run: string, ...offsets: number[]];
/** As {@linkcode PositionReply}, and publications (`redis_message.ts`). */
export type PageReply = [offset: number, epoch: Buffer, run: Buffer, messages: Buffer[]];

/** What a client of ioredis can do with the scripts, and for texts that are taken once. Those with bytes in the answer end in Buffer. */
export interface RedisScripts {
  slipPublish(...args: Arguments): Promise<PublishedReply>;
  slipHistoryBuffer(...args: Arguments): Promise<PageReply>;
  slipLatestBuffer(...args: Arguments): Promise<PageReply>;
  slipCheck(...args: Arguments): Promise<PositionReply>;
  slipMembersChange(...args: Arguments): Promise<number>;
  slipMembersRenew(...args: Arguments): Promise<number>;
  slipMembersPrune(...args: Arguments): Promise<number>;
  slipMembersListBuffer(...args: Arguments): Promise<Buffer[]>;
  slipMembersCount(...args: Arguments): Promise<number>;
  slipSessionPut(...args: Arguments): Promise<number>;
  slipSessionTake(...args: Arguments): Promise<string | null>;
  slipSessionRenew(...args: Arguments): Promise<number>;
  slipSessionRemove(...args: Arguments): Promise<number>;
  slipClaim(...args: Arguments): Promise<number>;
  slipTake(...args: Arguments): Promise<[taken: number, leftMs: number]>;
  set(key: string, text: string, px: "PX", ttlMs: number, nx: "NX"): Promise<"OK" | null>;
  getdel(key: string): Promise<string | null>;
  get(key: string): Promise<string | null>;
  psetex(key: string, ttlMs: number, text: string): Promise<"OK">;
  del(key: string): Promise<number>;
}
