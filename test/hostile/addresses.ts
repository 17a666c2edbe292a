/** Addresses that must not be reached for anybody's asking. A row names the range or the trick. */

export interface AddressRow {
  readonly attack: string;
  readonly address: string;
}

const rows = (attack: string, ...addresses: readonly string[]): readonly AddressRow[] =>
  addresses.map((address) => ({ attack, address }));

/** Every range of IANA's IPv4 Special-Purpose Address Registry that is not globally reachable, at both of its ends. */
const ipv4Rows: readonly AddressRow[] = [
  ...rows('this network', '0.0.0.0', '0.255.255.255'),
  ...rows('private use', '10.0.0.0', '10.255.255.255', '172.16.0.0', '172.31.255.255'),
  ...rows('private use', '192.168.0.0', '192.168.255.255'),
  ...rows('shared address space', '100.64.0.0', '100.127.255.255'),
  ...rows('loopback', '127.0.0.0', '127.0.0.1', '127.255.255.255'),
  ...rows('link-local, cloud metadata among it', '169.254.0.0', '169.254.169.254', '169.254.255.255'),
  ...rows('IETF protocol assignments', '192.0.0.0', '192.0.0.7', '192.0.0.8', '192.0.0.170', '192.0.0.171'),
  ...rows('IETF protocol assignments', '192.0.0.255'),
  ...rows('documentation', '192.0.2.0', '192.0.2.255', '198.51.100.0', '198.51.100.255'),
  ...rows('documentation', '203.0.113.0', '203.0.113.255'),
  ...rows('relays of 6to4', '192.88.99.0', '192.88.99.255'),
  ...rows('benchmarking', '198.18.0.0', '198.19.255.255'),
  ...rows('multicast', '224.0.0.0', '224.0.0.251', '239.255.255.255'),
  ...rows('reserved', '240.0.0.0', '255.255.255.254'),
  ...rows('broadcast', '255.255.255.255'),
];

/** The same of the IPv6 registry. */
const ipv6Rows: readonly AddressRow[] = [
  ...rows('unspecified', '::', '0:0:0:0:0:0:0:0'),
  ...rows('loopback', '::1', '0000:0000:0000:0000:0000:0000:0000:0001'),
  ...rows('IPv4-mapped', '::ffff:127.0.0.1', '::ffff:7f00:1', '::ffff:a00:1', '::FFFF:169.254.169.254'),
  ...rows('IPv4-compatible', '::127.0.0.1', '::7f00:1'),
  ...rows('IPv4-translated', '::ffff:0:127.0.0.1', '::ffff:0:7f00:1'),
  ...rows('NAT64', '64:ff9b::7f00:1', '64:ff9b::127.0.0.1', '64:ff9b::a9fe:a9fe', '64:ff9b::808:808'),
  ...rows('NAT64 of a network’s own', '64:ff9b:1::', '64:ff9b:1:ffff:ffff:ffff:7f00:1'),
  ...rows('discard-only', '100::', '100::ffff:ffff:ffff:ffff'),
  ...rows('dummy prefix', '100:0:0:1::', '100:0:0:1:ffff:ffff:ffff:ffff'),
  ...rows('Teredo', '2001::', '2001:0:7f00:1::', '2001:0:ffff:ffff:ffff:ffff:ffff:ffff'),
  ...rows('benchmarking', '2001:2::', '2001:2:0:ffff:ffff:ffff:ffff:ffff'),
  ...rows('ORCHID', '2001:10::', '2001:1f:ffff:ffff:ffff:ffff:ffff:ffff'),
  ...rows('documentation', '2001:db8::', '2001:db8:ffff:ffff:ffff:ffff:ffff:ffff'),
  ...rows('documentation', '3fff::', '3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff'),
  ...rows('6to4', '2002::', '2002:7f00:1::', '2002:a9fe:a9fe::', '2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff'),
  ...rows('segment routing', '5f00::', '5f00:ffff:ffff:ffff:ffff:ffff:ffff:ffff'),
  ...rows('unique local', 'fc00::', 'fd00::1', 'fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff'),
  ...rows('metadata of a cloud by IPv6', 'fd00:ec2::254', 'fd20:ce::254'),
  ...rows('link-local', 'fe80::', 'fe80::1', 'fe80::1%eth0', 'febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff'),
  ...rows('site-local, as it was', 'fec0::1', 'feff::1'),
  ...rows('multicast', 'ff00::', 'ff02::1', 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff'),
  ...rows('not given out', '4000::1', '8000::1', 'e000::1', '1::1', '200::1'),
];

export const refusedAddresses: readonly AddressRow[] = [...ipv4Rows, ...ipv6Rows];

export const reachedAddresses: readonly string[] = [
  '1.1.1.1',
  '8.8.8.8',
  '9.255.255.255',
  '11.0.0.0',
  '172.15.255.255',
  '172.32.0.0',
  '192.167.255.255',
  '223.255.255.255',
  '::ffff:8.8.8.8',
  '2600:1406::1',
  '2a00:1450:4001:81b::200e',
];

/** Hosts of an instance's URL that come to an address of the machine, or to none, however they are spelt. */
export const refusedHosts: readonly AddressRow[] = [
  ...rows('a name of the machine', 'localhost', 'LOCALHOST', 'localhost.', 'lOcAlHoSt'),
  ...rows('a name below localhost', 'a.localhost'),
  ...rows('a decimal address', '2130706433', '2852039166'),
  ...rows('a hexadecimal address', '0x7f000001', '0x7f.0.0.1', '0xA9FEA9FE'),
  ...rows('an octal address', '0177.0.0.1', '017700000001'),
  ...rows('an address in fewer parts', '127.1', '127.0.1', '10.1', '0'),
  ...rows('an address with a dot behind', '127.0.0.1.'),
  ...rows('zeros before numbers', '127.000.000.001'),
  ...rows('digits of another script', '１２７.0.0.1', '①②⑦.0.0.1'),
  ...rows('a full stop of another script', '127。0。0。1', '127．0．0．1'),
  ...rows(
    'letters that look like localhost',
    'ⓛⓞⓒⓐⓛⓗⓞⓢⓣ',
    'ｌｏｃａｌｈｏｓｔ',
    'ℓocalhost',
    'loca\u00adlhost',
  ),
  ...rows('an IPv6 address', '[::1]', '[::]', '[::ffff:127.0.0.1]', '[::ffff:7f00:1]', '[0:0:0:0:0:0:0:1]'),
  ...rows('an IPv6 address of a transition', '[64:ff9b::7f00:1]', '[2002:7f00:1::]', '[fd00:ec2::254]'),
  ...rows('percent-encoding', '%6c%6f%63%61lhost', '127%2e0%2e0%2e1', '%31%32%37.0.0.1'),
  ...rows('a private address', '10.0.0.1', '192.168.1.1', '172.16.5.4', '169.254.169.254', '100.64.0.1'),
];
