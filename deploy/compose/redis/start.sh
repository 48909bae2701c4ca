# Start Redis with its password, which must not stand on a command line: the configuration comes by standard input.
set -eu
{
    echo "dir /data"
    echo "appendonly yes"
    echo "appendfsync everysec"
    # a broker that evicts loses messages
    echo "maxmemory-policy noeviction"
    echo "requirepass $(cat /run/secrets/redis_password)"
} | exec redis-server -
