// A host program for the real Apache Mesos 1.11.0 code that is statically
// linked inside PyPI's mesos.scheduler 1.11.0 (_scheduler.so).  Everything below is
// self-written: opaque declarations whose mangled names match the exported symbols.
//
//   mesos-host master  --ip= --port= --work_dir= [--zk= --quorum=] [any mesos-master flag]
//   mesos-host agent   --ip= --port= --master= --work_dir= ...     [any mesos-agent flag]
//   mesos-containerizer launch ...      (called by the agent; same binary, by argv[0])
#include <unistd.h>
#include <stdlib.h>
#include <string.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>
#include <ctype.h>
#include <memory>
#include <new>
#include <set>
#include <string>

using std::string;

// ---- stout -----------------------------------------------------------------------
struct Error { string message; };
template <typename T> struct Option {
  enum State { SOME, NONE } state;
  union { T t; };
  Option() : state(NONE) {}
  Option(const T& v) : state(SOME), t(v) {}
  Option(const Option& o) : state(o.state) { if (state == SOME) new (&t) T(o.t); }
  ~Option() { if (state == SOME) t.~T(); }
};
template <typename T, typename E = Error> struct Try {   // {Option<T> data; Option<E> error_;}
  char raw[512];
  ~Try() {}                                              // leak; makes the return indirect
};
// Try<X*>: Option<X*> at 0 (state at 0, value at 8), Option<Error> at 16 (state, string at 24)
template <typename P> P* get(const char* what, Try<P*>&& t) {
  if (*(int*)t.raw != 0) {
    fprintf(stderr, "%s: %s\n", what, ((string*)(t.raw + 24))->c_str()); exit(1);
  }
  return *(P**)(t.raw + 8);
}
struct Duration { int64_t nanos; };

namespace flags {
struct Warnings { char raw[24]; };                       // std::vector<Warning>
class FlagsBase {
 public:
  virtual ~FlagsBase();
  virtual Try<Warnings> load(const Option<string>& prefix, int argc, const char* const* argv,
                             bool unknowns, bool duplicates);
  string usage(const Option<string>& message) const;
  char data[64];
};
}

// ---- libprocess -------------------------------------------------------------------
namespace process {
struct UPID { char raw[8]; };                             // only for an empty std::set
class RateLimiter;
class EventConsumer { public: virtual ~EventConsumer(); };
class ProcessBase : public EventConsumer { public: virtual ~ProcessBase(); char data[64]; };
template <typename T> class Process : public virtual ProcessBase {};
bool initialize(const Option<string>& delegate, const Option<string>& rw, const Option<string>& ro);
namespace ID { string generate(const string&); }
}

namespace zookeeper { struct Authentication { string a, b; }; }

// ---- mesos --------------------------------------------------------------------------
template <typename T> class ProtobufProcess : public process::Process<T> { public: virtual ~ProtobufProcess(); };

namespace mesos {
class Authorizer;
class MasterInfo;
class SecretResolver { public: static Try<SecretResolver*> create(const Option<string>&); };
class SecretGenerator;
namespace allocator { class Allocator; }
namespace log {
struct Log {
  Log(int quorum, const string& path, const std::set<process::UPID>& pids, bool autoInit,
      const Option<string>& prefix);
  Log(int quorum, const string& path, const string& servers, const Duration& timeout,
      const string& znode, const Option<zookeeper::Authentication>& auth, bool autoInit,
      const Option<string>& prefix);
  char raw[4096];
};
}
namespace state {
class Storage;
struct InMemoryStorage { InMemoryStorage(); char raw[4096]; };
struct LogStorage { LogStorage(log::Log*, unsigned long); char raw[4096]; };
class State;
}
namespace master {
namespace contender {
class MasterContender {
 public: static Try<MasterContender*> create(const Option<string>&, const Option<string>&, const Option<Duration>&);
};
}
namespace detector {
class MasterDetector {
 public: static Try<MasterDetector*> create(const Option<string>&, const Option<string>&, const Option<Duration>&);
};
class StandaloneMasterDetector { public: void appoint(const Option<MasterInfo>&); };
}
}
namespace slave {
class ResourceEstimator { public: static Try<ResourceEstimator*> create(const Option<string>&); };
class QoSController { public: static Try<QoSController*> create(const Option<string>&); };
}
namespace internal {
namespace logging {
struct Flags : public virtual flags::FlagsBase { virtual ~Flags(); char data[64]; };
}
class PendingFutureTracker;
struct Files { Files(const Option<string>&, const Option<Authorizer*>&); char raw[4096]; };
struct VersionProcess { VersionProcess(); char raw[4096]; };
namespace master {
struct Flags : public virtual logging::Flags { virtual ~Flags(); char data[64]; };
struct Registrar {
  Registrar(const Flags&, state::State*, const Option<string>&); char raw[4096];
};
struct Master : public ProtobufProcess<Master> { virtual ~Master(); };
namespace allocator {
class DRFSorter;
template <typename A, typename B> class HierarchicalAllocatorProcess;
template <typename P> struct MesosAllocator { MesosAllocator(); char raw[4096]; };
}
}
namespace slave {
struct Flags : public virtual logging::Flags { virtual ~Flags(); char data[64]; };
class VolumeGidManager; class CSIServer;
struct Fetcher { Fetcher(const Flags&); char raw[4096]; };
struct GarbageCollector { GarbageCollector(const string&); char raw[4096]; };
struct TaskStatusUpdateManager { TaskStatusUpdateManager(const Flags&); char raw[4096]; };
class Containerizer {
 public:
  static Try<Containerizer*> create(const Flags&, bool, Fetcher*, GarbageCollector*, SecretResolver*,
                                    VolumeGidManager*, PendingFutureTracker*, CSIServer*);
};
struct Slave : public ProtobufProcess<Slave> { virtual ~Slave(); };
}
}
}
namespace M = mesos::internal::master;
namespace S = mesos::internal::slave;

extern "C" {
// constructors of classes with virtual bases (complete-object, C1), called on raw memory
void masterFlagsC1(void*) asm("_ZN5mesos8internal6master5FlagsC1Ev");
void slaveFlagsC1(void*) asm("_ZN5mesos8internal5slave5FlagsC1Ev");
void launchFlagsC1(void*) asm("_ZN5mesos8internal5slave24MesosContainerizerLaunch5FlagsC1Ev");
int launchExecute(void*) asm("_ZN5mesos8internal5slave24MesosContainerizerLaunch7executeEv");
extern char launchVtable[] asm("_ZTVN5mesos8internal5slave24MesosContainerizerLaunchE");
extern char stateVtable[] asm("_ZTVN5mesos5state8protobuf5StateE");
void masterC1(void* self, void* allocator, M::Registrar*, mesos::internal::Files*, void* contender,
              void* detector, const Option<mesos::Authorizer*>&,
              const Option<std::shared_ptr<process::RateLimiter>>&, const M::Flags&)
  asm("_ZN5mesos8internal6master6MasterC1EPNS_9allocator9AllocatorEPNS1_9RegistrarEPNS0_5FilesEPNS_6master9contender"
      "15MasterContenderEPNSA_8detector14MasterDetectorERK6OptionIPNS_10AuthorizerEERKSH_ISt10shared_ptrIN7process"
      "11RateLimiterEEERKNS1_5FlagsE");
void slaveC1(void* self, const string& id, const S::Flags&, void* detector, void* containerizer, void* files, void* gc,
             void* statusUpdates, void* estimator, void* qos, void* secrets, void* volumes, void* futures, void* ownedCsi,
             const void* noSocket, const Option<mesos::Authorizer*>&)
  asm("_ZN5mesos8internal5slave5SlaveC1ERKNSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEEERKNS1_5FlagsEPNS_6master"
      "8detector14MasterDetectorEPNS1_13ContainerizerEPNS0_5FilesEPNS1_16GarbageCollectorEPNS1_23TaskStatusUpdateManagerE"
      "PNS_5slave17ResourceEstimatorEPNSQ_13QoSControllerEPNS_15SecretGeneratorEPNS1_16VolumeGidManagerEPNS0_20Pending"
      "FutureTrackerEON7process5OwnedINS1_9CSIServerEEERK6OptionINS11_7network8internal6SocketINS17_4unix7AddressEEEERK"
      "S16_IPNS_10AuthorizerEE");
void spawnRaw(void* sretUPID, process::ProcessBase*, bool) asm("_ZN7process5spawnEPNS_11ProcessBaseEb");
bool waitRaw(const void* upid, const Duration&) asm("_ZN7process4waitERKNS_4UPIDERK8Duration");
void loggingInit(const string& argv0, bool signals, const void* noFlags)
  asm("_ZN5mesos8internal7logging10initializeERKNSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEEEbRK6OptionINS1_5FlagsEE");
extern char launchFlagsVtable[] asm("_ZTVN5mesos8internal5slave24MesosContainerizerLaunch5FlagsE");
void appoint(void* self, const void* optionMasterInfo)
  asm("_ZN5mesos6master8detector24StandaloneMasterDetector7appointERK6OptionINS_10MasterInfoEE");
void masterInfoCopy(void* self, const void* from) asm("_ZN5mesos10MasterInfoC1ERKS0_");
}
static const size_t BIG = 1 << 17;
static const size_t MASTER_INFO = 0xe88;   // offset of Master::info_ in this very binary

template <typename F> static flags::FlagsBase* base(F* f) { return f; }   // through the vtable
static string opt(int argc, char** argv, const char* name, const char* dflt) {
  string p = string("--") + name + "=";
  for (int i = 1; i < argc; i++) if (!strncmp(argv[i], p.c_str(), p.size())) return argv[i] + p.size();
  string e = string("MESOS_") + name;
  for (size_t i = 6; i < e.size(); i++) e[i] = toupper(e[i]);
  const char* v = getenv(e.c_str());
  return v ? v : dflt;
}
static void load(flags::FlagsBase* f, const char* prefix, int argc, char** argv) {
  Try<flags::Warnings> r = f->flags::FlagsBase::load(Option<string>(prefix), argc, argv, false, false);
  // Option<Warnings>: state at 0, 24-byte vector at 8; Option<Error>: state at 32, string at 40
  if (*(int*)r.raw != 0) { fprintf(stderr, "flags: %s\n", ((string*)(r.raw + 40))->c_str()); exit(1); }
}
static void common(int argc, char** argv, const char* id, const char* role, const char* port) {
  int none[256] = {1};                                  // Option<logging::Flags>: NONE
  loggingInit("mesos-" + string(role), true, none);
  setenv("LIBPROCESS_IP", opt(argc, argv, "ip", "127.0.0.1").c_str(), 1);
  setenv("LIBPROCESS_PORT", opt(argc, argv, "port", port).c_str(), 1);
  process::initialize(Option<string>(id), Option<string>(string("mesos-") + role + "-readwrite"),
                      Option<string>(string("mesos-") + role + "-readonly"));
}

static void* spawn(process::ProcessBase* p, bool manage) {
  void* upid = calloc(1, 4096);                         // the returned UPID
  spawnRaw(upid, p, manage);
  return upid;
}
static int runToEnd(process::ProcessBase* p) {
  waitRaw(spawn(p, false), Duration{-1000000000LL});    // Seconds(-1): no limit
  usleep(300000);                                       // let the last messages leave (UnregisterSlaveMessage)
  _exit(0);                                             // no static destructors: nothing here frees anything
}
static void spawnVersion() {
  void* v = calloc(1, BIG);
  new (v) mesos::internal::VersionProcess();
  spawn((process::ProcessBase*)((char*)v + (*(ptrdiff_t**)v)[-3]), true);
}

static int runMaster(int argc, char** argv) {
  void* f = calloc(1, BIG); masterFlagsC1(f);
  M::Flags* flags = (M::Flags*)f;
  load(base(flags), "MESOS_", argc, argv);
  common(argc, argv, "master", "master", "5050");
  string work = opt(argc, argv, "work_dir", "run/master");
  string zk = opt(argc, argv, "zk", "");
  mkdir(work.c_str(), 0755);
  spawnVersion();

  void* allocator = new M::allocator::MesosAllocator<
      M::allocator::HierarchicalAllocatorProcess<M::allocator::DRFSorter, M::allocator::DRFSorter>>();
  Duration timeout{(int64_t)(atof(opt(argc, argv, "zk_session_timeout", "10").c_str()) * 1e9)};
  void* storage;
  if (opt(argc, argv, "registry", "replicated_log") == "in_memory") {
    storage = new mesos::state::InMemoryStorage();
  } else {
    mesos::log::Log* log;
    if (zk.empty()) {
      log = new mesos::log::Log(1, work + "/replicated_log", std::set<process::UPID>(), true, Option<string>("registrar/"));
    } else {                                            // zk://host:port,host:port/path
      string rest = zk.substr(5);
      string servers = rest.substr(0, rest.find('/')), path = rest.substr(rest.find('/'));
      log = new mesos::log::Log(atoi(opt(argc, argv, "quorum", "1").c_str()), work + "/replicated_log", servers,
                                timeout, path + "/log_replicas", Option<zookeeper::Authentication>(), true,
                                Option<string>("registrar/"));
    }
    storage = new mesos::state::LogStorage(log, 0);
  }
  void** state = (void**)calloc(2, sizeof(void*));
  state[0] = stateVtable + 16; state[1] = storage;
  Option<string> ro(string("mesos-master-readonly"));
  M::Registrar* registrar = new M::Registrar(*flags, (mesos::state::State*)state, ro);

  Option<string> zkopt; if (!zk.empty()) { zkopt.~Option(); new (&zkopt) Option<string>(zk); }
  void* contender = get("contender", mesos::master::contender::MasterContender::create(zkopt, Option<string>(), Option<Duration>(timeout)));
  void* detector = get("detector", mesos::master::detector::MasterDetector::create(zkopt, Option<string>(), Option<Duration>(timeout)));
  mesos::internal::Files* files = new mesos::internal::Files(ro, Option<mesos::Authorizer*>());

  char* m = (char*)calloc(1, BIG);
  masterC1(m, allocator, registrar, files, contender, detector, Option<mesos::Authorizer*>(),
           Option<std::shared_ptr<process::RateLimiter>>(), *flags);
  if (zk.empty()) {
    char* some = (char*)calloc(1, 4096);                // Option<MasterInfo>{SOME, copy of info_}
    masterInfoCopy(some + 8, m + MASTER_INFO);
    appoint(detector, some);
  }
  return runToEnd((M::Master*)m);
}

static int runAgent(int argc, char** argv) {
  void* f = calloc(1, BIG); slaveFlagsC1(f);
  S::Flags* flags = (S::Flags*)f;
  load(base(flags), "MESOS_", argc, argv);
  string id = "slave(1)";
  common(argc, argv, id.c_str(), "agent", "5051");
  id = process::ID::generate("slave");
  string work = opt(argc, argv, "work_dir", "run/agent");
  mkdir(work.c_str(), 0755);
  spawnVersion();
  Option<string> none;
  S::Fetcher* fetcher = new S::Fetcher(*flags);
  S::GarbageCollector* gc = new S::GarbageCollector(work);
  mesos::SecretResolver* resolver = get("secret resolver", mesos::SecretResolver::create(none));
  S::Containerizer* c = get("containerizer", S::Containerizer::create(*flags, false, fetcher, gc, resolver, nullptr, nullptr, nullptr));
  Duration timeout{10000000000LL};
  mesos::master::detector::MasterDetector* detector = get("detector",
      mesos::master::detector::MasterDetector::create(Option<string>(opt(argc, argv, "master", "127.0.0.1:5050")), none, Option<Duration>(timeout)));
  mesos::internal::Files* files = new mesos::internal::Files(Option<string>(string("mesos-agent-readonly")), Option<mesos::Authorizer*>());
  S::TaskStatusUpdateManager* sum = new S::TaskStatusUpdateManager(*flags);
  mesos::slave::ResourceEstimator* re = get("estimator", mesos::slave::ResourceEstimator::create(none));
  mesos::slave::QoSController* qos = get("qos", mesos::slave::QoSController::create(none));

  char* s = (char*)calloc(1, BIG);
  void* noCsi[2] = {nullptr, nullptr};                  // Owned<CSIServer>: an empty shared_ptr
  int noSocket[16] = {1};                               // Option<Socket<unix::Address>>: NONE
  slaveC1(s, id, *flags, detector, c, files, gc, sum, re, qos, nullptr, nullptr, nullptr, noCsi, noSocket,
          Option<mesos::Authorizer*>());
  return runToEnd((S::Slave*)s);
}

// The real MesosContainerizerLaunch::execute(): Subcommand {vptr; string name_; FlagsBase flags_} then Flags flags.
static int runContainerizer(int argc, char** argv) {
  if (argc < 2 || strcmp(argv[1], "launch")) { fprintf(stderr, "only 'launch' is here\n"); return 1; }
  char* self = (char*)calloc(1, BIG);
  *(void**)self = launchVtable + 16;
  new (self + 8) string("launch");
  // The virtual getFlags() (slot 3) says where the FlagsBase part of `flags` lies; the first word of
  // Flags' vtable says how far that part is from the start of `flags`.
  typedef flags::FlagsBase* GetFlags(void*);
  flags::FlagsBase* f = ((GetFlags*)((void**)*(void**)self)[3])(self);
  launchFlagsC1((char*)f - *(ptrdiff_t*)launchFlagsVtable);
  load(f, "MESOS_CONTAINERIZER_", argc - 1, argv + 1);
  return launchExecute(self);
}

int main(int argc, char** argv) {
  const char* b = strrchr(argv[0], '/'); b = b ? b + 1 : argv[0];
  if (!strcmp(b, "mesos-containerizer")) return runContainerizer(argc, argv);
  if (argc > 1 && !strcmp(argv[1], "master")) return runMaster(argc - 1, argv + 1);
  if (argc > 1 && !strcmp(argv[1], "agent")) return runAgent(argc - 1, argv + 1);
  fprintf(stderr, "usage: mesos-host master|agent --flag=value ...\n");
  return 2;
}
