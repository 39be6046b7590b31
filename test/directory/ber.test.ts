import t from 'tap';
import { checkMessage, extendedResult, messageLength } from '../../src/directory/ber.ts';
import { entry, message, result, tlv } from './ber.ts';

const good: Readonly<Record<string, Buffer>> = {
  bind: message(2, result(0x61, 0)),
  'bind, refused at length': message(2, result(0x61, 49, 'x'.repeat(5000))),
  'search done': message(3, result(0x65, 0)),
  StartTLS: message(1, result(0x78, 0)),
  'StartTLS with its name': message(
    1,
    tlv(0x78, Buffer.from([10, 1, 0]), tlv(4), tlv(4), tlv(0x8a, '1.3.6'))
  ),
  reference: message(3, tlv(0x73, tlv(4, 'ldap://example.test/'))),
  entry: message(3, entry('CN=u1', { memberOf: ['a', 'b'], none: [] }))
};

const ok = Buffer.from([10, 1, 0]);

const bad: Readonly<Record<string, Buffer>> = {
  'nothing in it': tlv(0x30),
  'no operation': message(2),
  // The library takes it for a success.
  'bind without a result': message(2, tlv(0x61)),
  'bind with an empty result': message(2, tlv(0x61, Buffer.from([10, 0]), tlv(4), tlv(4))),
  'bind with half a result': message(2, tlv(0x61, ok)),
  'result that is a text': message(2, tlv(0x61, tlv(4, '\0'), tlv(4), tlv(4))),
  'result of nine bytes': message(2, tlv(0x61, tlv(10, Buffer.alloc(9)), tlv(4), tlv(4))),
  // Here it loops for ever.
  'length that leads out of the result': message(
    2,
    tlv(0x61, ok, tlv(4), tlv(4), Buffer.from([0x87, 0x7f, 1]))
  ),
  'length that leads out of an attribute': message(
    3,
    tlv(0x64, tlv(4, 'x'), tlv(0x30, tlv(0x30, Buffer.from([4, 0x7f, 1]))))
  ),
  'attributes that are a text': message(3, tlv(0x64, tlv(4, 'x'), tlv(4, '\x04\x7f'))),
  'length without an end': message(3, Buffer.from([0x61, 0x80, 10, 1, 0, 0, 0])),
  'id that is a text': tlv(0x30, tlv(4, '\x02'), result(0x61, 0)),
  'id of five bytes': tlv(0x30, tlv(2, Buffer.alloc(5)), result(0x61, 0)),
  'a request': message(2, tlv(0x60, Buffer.from([2, 1, 3]), tlv(4), tlv(0x80))),
  'controls that nobody asked for': message(
    2,
    result(0x61, 0),
    tlv(0xa0, tlv(0x30, tlv(4, '1.2')))
  ),
  'one message too many': Buffer.concat([message(2, result(0x61, 0)), message(2, result(0x61, 0))])
};

t.test('messages', async (t) => {
  for (const [name, bytes] of Object.entries(good)) {
    t.doesNotThrow(() => checkMessage(bytes), name);
    const more = Buffer.concat([bytes, Buffer.from('x')]);
    t.equal(messageLength(more), bytes.length, `${name}: length`);
  }
  for (const [name, bytes] of Object.entries(bad)) {
    t.throws(() => checkMessage(bytes), /not LDAP/, name);
  }
});

t.test('every change of a byte is judged, and ends', async (t) => {
  let accepted = 0;
  for (const bytes of Object.values(good).filter(({ length }) => length < 100)) {
    for (let i = 0; i < bytes.length; i++) {
      for (const value of [0, 1, 4, 0x30, 0x7f, 0x80, 0x84, 0xff]) {
        const changed = Buffer.from(bytes);
        changed[i] = value;
        try {
          if (messageLength(changed) === changed.length) checkMessage(changed);
          accepted++;
        } catch (error) {
          t.match(error, /its answer is|it does not speak/);
        }
      }
    }
  }
  t.ok(accepted > 100, 'text may be anything');
});

t.test('heads', async (t) => {
  t.equal(messageLength(Buffer.alloc(0)), undefined);
  t.equal(messageLength(Buffer.from([0x30])), undefined);
  t.equal(messageLength(Buffer.from([0x30, 0x82, 1])), undefined);
  t.equal(messageLength(Buffer.from([0x30, 0x82, 1, 0])), 260);
  t.throws(() => messageLength(Buffer.from('HTTP')), /does not speak LDAP/);
  t.throws(() => messageLength(Buffer.from([0x30, 0x80])), /not LDAP/);
  t.throws(() => messageLength(Buffer.from([0x30, 0x85, 0, 0, 0, 0, 1])), /not LDAP/);
  // The library reads a length below zero.
  t.throws(() => messageLength(Buffer.from([0x30, 0x84, 255, 255, 255, 255])), /too long/);
  t.throws(() => messageLength(Buffer.from([0x30, 0x83, 0x10, 0, 0])), /too long/);
});

t.test('the result of StartTLS', async (t) => {
  t.equal(extendedResult(message(1, result(0x78, 52))), 52);
  t.throws(() => extendedResult(message(1, result(0x61, 0))), /not LDAP/);
});
