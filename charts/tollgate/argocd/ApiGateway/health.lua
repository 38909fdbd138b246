-- Health of an ApiGateway for Argo CD.
--
-- In: `obj`, the object as the cluster has it. Out: a status and a message that names the reason.
-- Degraded is what a person must mend, Progressing what the operator and the proxies still do.
-- Argo CD opens the base and table libraries only.

-- A condition that speaks of an older generation says nothing of what is synced now.
local function is_current(condition)
  local observed = condition.observedGeneration or obj.status.observedGeneration
  return observed == nil or observed == obj.metadata.generation
end

local function said(condition)
  local reason = condition.reason or condition.type
  if condition.message == nil or condition.message == "" then
    return reason
  end
  return reason .. ": " .. condition.message
end

local conditions = {}
if obj.status ~= nil and obj.status.conditions ~= nil then
  for _, condition in ipairs(obj.status.conditions) do
    if is_current(condition) then
      conditions[condition.type] = condition
    end
  end
end

local stalled = conditions.Stalled
if stalled ~= nil and stalled.status == "True" then
  return { status = "Degraded", message = said(stalled) }
end

for _, name in ipairs({ "Accepted", "ResolvedRefs" }) do
  local condition = conditions[name]
  if condition ~= nil and condition.status == "False" then
    return { status = "Degraded", message = said(condition) }
  end
end

for _, name in ipairs({ "Accepted", "Programmed", "Ready" }) do
  local condition = conditions[name]
  if condition == nil then
    return { status = "Progressing", message = "waiting for " .. name }
  end
  if condition.status ~= "True" then
    return { status = "Progressing", message = said(condition) }
  end
end

local addresses = obj.status.addresses
if addresses == nil or #addresses == 0 then
  return { status = "Healthy", message = "every proxy runs it" }
end
return { status = "Healthy", message = "every proxy runs it, at " .. table.concat(addresses, ", ") }
