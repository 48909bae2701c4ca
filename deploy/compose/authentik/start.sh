# Start Authentik. Blueprints read environment variables only, so the secrets they need are read from their files here.
# A file that cannot be read ends the start, with its name.
set -eu
read_secret() {
    value="$(cat "/run/secrets/$2")"
    export "$1=$value"
}
if [ "$1" = worker ]; then
    read_secret AUTHENTIK_BOOTSTRAP_PASSWORD authentik_admin_password
    read_secret DEZKY_AUTHENTIK_TOKEN authentik_api_token
    read_secret DEZKY_CONSOLE_SECRET console_client_secret
    read_secret DEZKY_OCIS_PASSWORD ocis_password
fi
exec dumb-init -- ak "$@"
