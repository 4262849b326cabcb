"""Services and their ports that many meet, whether or not the system's own list has them.

Ports by IANA's Service Name and Transport Protocol Port Number Registry (RFC 6335) where it has
them; the rest by the program's own documentation. The words say what speaks there.
"""

from __future__ import annotations

from typing import NamedTuple

TCP, UDP = "tcp", "udp"
BOTH = (TCP, UDP)


class Known(NamedTuple):
    """A service by one of its ports."""

    name: str
    port: int
    protocols: tuple[str, ...]
    aliases: tuple[str, ...]
    words: str


def _rows(text: str) -> tuple[Known, ...]:
    """Read a table: port, protocols, name with aliases, and words after two spaces."""
    found = []
    for line in text.strip().splitlines():
        place, _, words = line.strip().partition("  ")
        port, protocols, *names = place.split()
        kinds = BOTH if protocols == "both" else (protocols,)
        found.append(Known(names[0], int(port), kinds, tuple(names[1:]), words.strip()))
    return tuple(found)


KNOWN = _rows(
    """
    7 both echo  sends back what it gets
    9 both discard  throws away what it gets
    13 both daytime  the date and time as text
    19 both chargen  characters without end
    20 tcp ftp-data  file transfer (FTP): the files themselves
    21 tcp ftp  file transfer (FTP): commands, in plain text
    22 tcp ssh sshd sftp scp  remote login and files, encrypted (SSH)
    23 tcp telnet telnetd  remote login in plain text
    25 tcp smtp mail postfix  mail from server to server
    37 both time timserver  the time as a number
    43 tcp whois nicname  who has a domain or an address
    49 both tacacs  who may log in to network devices
    53 both domain dns named bind unbound  names and their addresses (DNS)
    67 udp bootps dhcp dhcpd  addresses for hosts (DHCP): the server
    68 udp bootpc dhclient  addresses for hosts (DHCP): the client
    69 udp tftp  files for machines that start by network
    70 tcp gopher  menus of documents, before the web
    79 tcp finger  who is logged in
    80 tcp http www httpd nginx apache  web pages in plain text
    88 both kerberos kerberos5 krb5 kerberos-sec  tickets that prove who one is (Kerberos)
    110 tcp pop3 pop-3  fetching mail, in plain text
    111 both sunrpc portmapper rpcbind  which port a program of ONC RPC has
    113 tcp auth ident authentication tap  who holds the other end of a connection
    119 tcp nntp readnews untp  news groups
    123 udp ntp ntpd chrony  the time, exactly (NTP)
    135 tcp epmap loc-srv msrpc  which port a program of Microsoft RPC has
    137 udp netbios-ns nmbd  names of Windows machines, of old
    138 udp netbios-dgm  messages of Windows machines, of old
    139 tcp netbios-ssn  shared folders of Windows, of old
    143 tcp imap imap2 dovecot  mail that stays on the server
    161 udp snmp snmpd  state of network devices
    162 both snmp-trap snmptrap  network devices call for attention
    179 tcp bgp bgpd  routers of the Internet exchange routes
    194 both irc  chat, of old; 6667 is what servers use
    389 both ldap slapd openldap  directories of people and machines
    443 both https http3 quic  web pages, encrypted; by UDP it is HTTP/3
    445 tcp microsoft-ds smb samba smbd cifs  shared folders and printers (SMB)
    464 both kpasswd  changing passwords of Kerberos
    465 tcp submissions smtps ssmtp urd  handing in mail, encrypted
    500 udp isakmp ike  keys for IPsec
    514 udp syslog rsyslog  messages for the log
    514 tcp shell cmd rsh  remote commands without encryption, of old
    515 tcp printer spooler lpd  printing, of old
    520 udp route router routed rip  small networks exchange routes
    543 tcp klogin  login by Kerberos, of old
    546 udp dhcpv6-client  addresses for hosts (DHCPv6): the client
    547 udp dhcpv6-server  addresses for hosts (DHCPv6): the server
    548 tcp afpovertcp afp  shared folders of Apple, of old
    554 both rtsp  steering of media streams, of cameras for example
    563 tcp nntps snntp  news groups, encrypted
    587 tcp submission  handing in mail
    623 udp asf-rmcp ipmi  steering a machine that is switched off
    631 both ipp cups  printing
    636 both ldaps  directories, encrypted
    853 both domain-s dot  DNS, encrypted
    873 tcp rsync rsyncd  copying what has changed
    989 tcp ftps-data  file transfer, encrypted: the files
    990 tcp ftps  file transfer, encrypted: commands
    993 tcp imaps  mail that stays on the server, encrypted
    995 tcp pop3s  fetching mail, encrypted
    1080 tcp socks socks5  a proxy for any connection
    1194 both openvpn  a private network through others
    1433 tcp ms-sql-s mssql sqlserver  Microsoft SQL Server
    1434 udp ms-sql-m  which port a Microsoft SQL Server has
    1521 tcp oracle ncube-lm  Oracle Database
    1701 udp l2f l2tp  tunnels of L2TP
    1723 tcp pptp  a private network through others, of old
    1812 udp radius  who may come in to a network
    1813 udp radius-acct radacct  how long who was in a network
    1883 tcp mqtt mosquitto  small messages of devices
    1900 udp ssdp upnp  devices announce themselves (UPnP)
    2049 both nfs nfsd  shared folders of Unix
    2181 tcp zookeeper  Apache ZooKeeper
    2375 tcp docker  Docker, to whoever can reach it
    2376 tcp docker-s  Docker, encrypted
    2377 tcp swarm  members of a Docker swarm
    2379 tcp etcd-client etcd  etcd, for programs
    2380 tcp etcd-server  etcd, its members
    2483 both ttc  Oracle Database, by name
    3000 tcp dev-3000 grafana rails gitea  by custom: web pages in development, Grafana
    3128 tcp squid ndl-aas  a web proxy
    3260 tcp iscsi-target iscsi  disks by network
    3268 tcp msft-gc  the catalogue of Active Directory
    3306 tcp mysql mysqld mariadb  MySQL and MariaDB
    3389 both ms-wbt-server rdp xrdp  the desktop of Windows
    3478 both stun turn  which address NAT gives; relays for calls
    4222 tcp nats  messages between programs (NATS)
    4369 tcp epmd erlang  which port a program in Erlang has
    4443 tcp pharos  by custom: https for those who may not bind 443
    4500 udp ipsec-nat-t  IPsec through NAT
    4789 udp vxlan  networks of Ethernet inside of UDP
    5000 tcp commplex-main flask  by custom: Flask, registries of containers; AirPlay of macOS
    5060 both sip  setting up calls
    5061 tcp sips sip-tls  setting up calls, encrypted
    5201 tcp iperf3 iperf  measuring how fast a network is
    5222 tcp xmpp-client jabber-client xmpp  chat (XMPP)
    5269 tcp xmpp-server jabber-server  chat (XMPP), between servers
    5353 udp mdns avahi bonjour  names on this link, without a server
    5355 both llmnr hostmon  the same, by Windows
    5432 tcp postgresql postgres pgsql  PostgreSQL
    5555 tcp adb personal-agent  Android in development
    5671 tcp amqps  messages between programs, encrypted
    5672 tcp amqp rabbitmq  messages between programs (AMQP)
    5683 udp coap  requests of small devices
    5900 tcp vnc rfb vnc-server  a desktop by network (VNC)
    5984 tcp couchdb  CouchDB
    5985 tcp wsman winrm  remote commands for Windows
    6000 tcp x11 x11-0  windows of X
    6379 tcp redis redis-server valkey  Redis and Valkey
    6432 tcp pgbouncer  connections to PostgreSQL, shared
    6443 tcp sun-sr-https kube-apiserver kubernetes k8s  Kubernetes: what kubectl talks to
    6514 tcp syslog-tls  messages for the log, encrypted
    6666 tcp ircu-2  chat (IRC), another of its ports
    6667 tcp ircd ircu-3  chat (IRC)
    6697 tcp ircs-u ircs  chat (IRC), encrypted
    6881 both bittorrent  peers of BitTorrent, the first of its ports
    7000 tcp afs3-fileserver cassandra-s  Cassandra's members; AirPlay of macOS
    8000 tcp irdmi http-server django uvicorn  by custom: web pages in development
    8080 tcp http-alt webcache tomcat  by custom: web pages where 80 is taken, proxies
    8086 tcp d-s-n influxdb  InfluxDB
    8123 tcp clickhouse polipo homeassistant  ClickHouse by HTTP; Home Assistant
    8125 udp statsd  counters of programs
    8200 tcp trivnet1 vault  Vault, which keeps secrets
    8333 tcp bitcoin  peers of Bitcoin
    8443 tcp pcsync-https https-alt  by custom: https where 443 is taken
    8448 tcp matrix-fed matrix  chat (Matrix), between servers
    8500 tcp fmtp consul  Consul
    8883 tcp secure-mqtt mqtts  small messages of devices, encrypted
    8888 tcp ddi-tcp-1 jupyter  by custom: Jupyter notebooks
    9000 tcp cslistener php-fpm minio portainer  by custom: PHP, MinIO
    9042 tcp cassandra cql  Cassandra, for programs
    9090 tcp websm prometheus cockpit  Prometheus; Cockpit
    9092 tcp xmltec-xmlmail kafka  Kafka
    9100 tcp pdl-datastream hp-pdl jetdirect node-exporter  printers; numbers for Prometheus
    9200 tcp wap-wsp elasticsearch opensearch  Elasticsearch and OpenSearch
    9300 tcp vrace elasticsearch-nodes  Elasticsearch, its members
    9418 tcp git git-daemon  Git, for reading
    9999 tcp distinct jackfield  the port of this manual's examples
    10050 tcp zabbix-agent  Zabbix, on what is watched
    10051 tcp zabbix-trapper zabbix  Zabbix, its server
    10250 tcp kubelet  Kubernetes, on each machine
    11211 both memcache memcached  memcached
    15672 tcp rabbitmq-web  RabbitMQ, its page
    19132 udp minecraft-bedrock  Minecraft, on phones and consoles
    25565 both minecraft  Minecraft
    27017 tcp mongodb mongo mongod  MongoDB
    27015 both steam srcds  games by Valve
    33060 tcp mysqlx  MySQL, its X protocol
    50000 tcp db2 jenkins-agent  IBM Db2; Jenkins, its agents
    51820 udp wireguard wg  a private network through others (WireGuard)
    """
)
