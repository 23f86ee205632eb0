// What OCSF 1.3.0 says of Entity Management (class 3004) and of the objects that pgherald fills in it:
// of each attribute its type, and whether it is required (!). Written down from the class, its parents
// iam and base_event, their objects and the dictionary of github.com/ocsf/ocsf-schema. An attribute that
// is in no table here is one that the schema, or pgherald, does not have.
import assert from "node:assert/strict";

const objects = {
  event: {
    attributes: {
      activity_id: "integer!", activity_name: "string", category_uid: "integer!", category_name: "string", class_uid: "integer!",
      class_name: "string", type_uid: "integer!", type_name: "string", severity_id: "integer!", severity: "string",
      status_id: "integer", status: "string", time: "timestamp!", metadata: "metadata!", entity: "entity!", entity_result: "entity",
      actor: "actor", src_endpoint: "endpoint", http_request: "request", unmapped: "object", message: "string", comment: "string",
    },
  },
  metadata: {
    attributes: {
      version: "string!", product: "product!", uid: "string", log_name: "string", event_code: "string", correlation_uid: "string",
      sequence: "integer", original_time: "string",
    },
  },
  product: { attributes: { vendor_name: "string!", name: "string", uid: "string", version: "string" }, one: ["name", "uid"] },
  entity: { attributes: { name: "string", uid: "string", type: "string", type_id: "integer", data: "json", version: "string" }, one: ["name", "uid"] },
  actor: { attributes: { user: "user", session: "session", app_name: "string" }, one: ["user", "session", "app_name"] },
  user: { attributes: { uid: "string", name: "string" }, one: ["uid", "name"] },
  session: { attributes: { uid: "string" } },
  endpoint: { attributes: { ip: "ip" }, one: ["ip"] },
  request: { attributes: { user_agent: "string", http_method: "string", url: "url" } },
  url: { attributes: { path: "string" }, one: ["path"] },
};

const types = {
  string: (v) => typeof v === "string",
  integer: Number.isSafeInteger,
  timestamp: (v) => Number.isSafeInteger(v) && v > 1e12 && v < 1e13, // milliseconds
  ip: (v) => typeof v === "string" && /^[0-9a-f.:]+$/.test(v),
  object: (v) => v !== null && typeof v === "object" && !Array.isArray(v),
  json: (v) => v !== undefined,
};

// The captions that belong to a number; 99, Other, is named by the source.
const captions = {
  activity_id: { 0: "Unknown", 1: "Create", 2: "Read", 3: "Update", 4: "Delete", 5: "Move" },
  severity_id: { 0: "Unknown", 1: "Informational", 2: "Low", 3: "Medium", 4: "High", 5: "Critical", 6: "Fatal" },
  status_id: { 0: "Unknown", 1: "Success", 2: "Failure" },
};
const methods = ["CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "POST", "PUT", "TRACE"];

function check(value, name, place) {
  const { attributes, one } = objects[name];
  assert.ok(types.object(value), `${place} is an object`);
  for (const key of Object.keys(value)) assert.ok(key in attributes, `${place}.${key} is an attribute of ${name}`);
  for (const [key, said] of Object.entries(attributes)) {
    const type = said.replace("!", "");
    if (!(key in value)) {
      assert.ok(!said.endsWith("!"), `${place}.${key} is required`);
      continue;
    }
    if (type in objects) check(value[key], type, `${place}.${key}`);
    else assert.ok(types[type](value[key]), `${place}.${key} is ${type}: ${JSON.stringify(value[key])}`);
  }
  if (one) assert.ok(one.some((key) => key in value), `${place} has one of ${one}`);
}

export function checkEntityManagement(event) {
  check(event, "event", "event");
  assert.equal(event.class_uid, 3004);
  assert.equal(event.class_name, "Entity Management");
  assert.equal(event.category_uid, 3);
  assert.equal(event.category_name, "Identity & Access Management");
  assert.equal(event.type_uid, event.class_uid * 100 + event.activity_id);
  for (const [id, names] of Object.entries(captions)) {
    if (!(id in event) || event[id] === 99) continue;
    assert.ok(event[id] in names, `${id} ${event[id]}`);
    assert.equal(event[id.replace("_id", id === "activity_id" ? "_name" : "")], names[event[id]]);
  }
  assert.equal(event.type_name, `Entity Management: ${captions.activity_id[event.activity_id] ?? "Other"}`);
  assert.equal(event.metadata.version, "1.3.0");
  const method = event.http_request?.http_method;
  if (method !== undefined) assert.ok(methods.includes(method), method);
}
