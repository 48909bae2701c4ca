// Health check of MongoDB, which also prepares it at the first start: replica set, users, the member's name.
// Run by mongosh inside the container; repeatable. Exit status 0 when this server is a primary that knows our users.
const secret = name => fs.readFileSync(`${process.env.SECRETS || '/run/secrets'}/${name}`, 'utf8').trim();
const host = process.env.MONGODB_MEMBER || 'mongo.dezky.local:27017';
const local = process.env.MONGODB_LOCAL || '127.0.0.1:27017';
const connection = new Mongo(`mongodb://${local}/?directConnection=true&serverSelectionTimeoutMS=4000`);
const admin = connection.getDB('admin');

const signIn = () => admin.auth('root', secret('mongodb_root_password'));

// before there is a user, a connection from this machine may initiate the set and make the first one
const prepare = () => {
  try {
    signIn();
    return;
  } catch (problem) {
    if (problem.codeName !== 'AuthenticationFailed') throw problem;
  }
  if (!admin.hello().setName) {
    admin.runCommand({replSetInitiate: {_id: 'rs0', members: [{_id: 0, host}]}});
  }
  if (!admin.hello().isWritablePrimary) quit(1);
  admin.createUser({user: 'root', pwd: secret('mongodb_root_password'), roles: ['root']});
  signIn();
};

const ensureUser = () => {
  const user = {user: 'dezky', pwd: secret('mongodb_password'), roles: [{role: 'readWrite', db: 'dezky'}]};
  if (admin.getUser('dezky') === null) admin.createUser(user);
};

// a data folder of an earlier set-up may name the member otherwise: clients would not find it by that name
const ensureMember = () => {
  const config = admin.runCommand({replSetGetConfig: 1}).config;
  if (config.members.length === 1 && config.members[0].host !== host) {
    config.members[0].host = host;
    config.version += 1;
    admin.runCommand({replSetReconfig: config, force: true});
    quit(1);
  }
};

prepare();
if (!admin.hello().isWritablePrimary) quit(1);
ensureUser();
ensureMember();
quit(0);
