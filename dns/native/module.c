/* What Python sees of the responder: a Table to write, and Servers that answer from one. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "native.h"

#include <string.h>
#include <sys/random.h>

typedef struct {
    PyObject_HEAD
    struct table *table;
    struct counts counts; /* of what Python had answered from it */
} Table;

typedef struct {
    PyObject_HEAD
    struct server *server;
    PyObject *table; /* keeps it as long as the server may read it */
    bool running;
} Server;

enum {
    NONE = NANOSECONDS + 1, /* an interval in which there is no room for any answer */
    LEAST_RECORD = 12,      /* octets: a pointer, type, class, TTL and length */
};

/*
 * Arguments: of the very types that are asked for, so that no code of theirs runs meanwhile, and
 * what was looked at before still stands.
 */

/* For "O&": a number of two octets. */
static int read_short(PyObject *object, void *number)
{
    long found = PyLong_Check(object) ? PyLong_AsLong(object) : -1;
    if (found >= 0 && found <= UINT16_MAX) {
        *(uint16_t *)number = (uint16_t)found;
        return true;
    }
    PyErr_SetString(PyExc_ValueError, "not a number of two octets");
    return false;
}

static bool read_octets(PyObject *object, struct octets *octets, size_t least, size_t most)
{
    char *at;
    Py_ssize_t size;
    if (PyBytes_AsStringAndSize(object, &at, &size))
        return false;
    *octets = (struct octets){at, (size_t)size};
    if (octets->size >= least && octets->size <= most)
        return true;
    PyErr_Format(PyExc_ValueError, "%zd octets, where %zu to %zu are wanted", size, least, most);
    return false;
}

static PyObject *tuple_at(PyObject *list, Py_ssize_t at)
{
    PyObject *item = PyList_GetItem(list, at);
    if (!item || PyTuple_Check(item))
        return item;
    PyErr_SetString(PyExc_TypeError, "not a list of tuples");
    return NULL;
}

static bool is_at_most(PyObject *list, Py_ssize_t most, const char *what)
{
    if (PyList_Size(list) <= most)
        return true;
    PyErr_Format(PyExc_ValueError, "more than %zd %s", most, what);
    return false;
}

static const char *text_of(PyObject *name, size_t *size)
{
    Py_ssize_t octets, at = 0;
    const char *text = PyUnicode_AsUTF8AndSize(name, &octets);
    if (!text)
        return NULL;
    while (at < octets && (uint8_t)text[at] < 128)
        at++;
    if (octets < 1 || octets >= MOST_NAME || at < octets || text[octets - 1] != '.') {
        PyErr_Format(PyExc_ValueError, "%R is no absolute name", name);
        return NULL;
    }
    *size = (size_t)octets;
    return text;
}

/* The same of a name that belongs to a zone. */
static const char *text_in(Table *self, uint16_t zone, PyObject *name, size_t *size)
{
    const char *text = text_of(name, size);
    if (!text || table_zone(self->table, text, *size) == zone)
        return text;
    PyErr_Format(PyExc_ValueError, "%R is not in zone %d", name, zone);
    return NULL;
}

/* Append a new object, which is the list's then. */
static bool append(PyObject *list, PyObject *object)
{
    bool kept = object && !PyList_Append(list, object);
    Py_XDECREF(object);
    return kept;
}

static PyObject *numbers_of(struct counts *counts)
{
    PyObject *queries = PyList_New(0), *durations = PyList_New(0), *numbers = NULL;
    bool kept = queries && durations;
    for (int at = 0; kept && at < 256 * OUTCOMES; at++) {
        int type = at / OUTCOMES, outcome = at % OUTCOMES;
        unsigned long long number = atomic_load(&counts->queries[type][outcome]);
        if (number)
            kept = append(queries, Py_BuildValue("(iiK)", type, outcome, number));
    }
    for (int at = 0; kept && at <= BOUNDS; at++)
        kept = append(durations, PyLong_FromUnsignedLongLong(atomic_load(&counts->durations[at])));
    if (kept)
        numbers = Py_BuildValue("(ONKKK)", queries, PyList_AsTuple(durations),
                                (unsigned long long)atomic_load(&counts->nanoseconds),
                                (unsigned long long)atomic_load(&counts->passed),
                                (unsigned long long)atomic_load(&counts->overflow));
    Py_XDECREF(queries);
    Py_XDECREF(durations);
    return numbers;
}

/*
 * Table(zones, flags, udp_size, exempt, rate)
 *
 * zones    [(apex, index of the zone that has its names), ...], the longest apex first
 * exempt   [(16 octets, bits), ...], IPv4 mapped to IPv6
 * rate     answers a second to one network of the others; -1 for no limit
 */

static bool set_zones(struct table *table, PyObject *zones)
{
    Py_ssize_t count = PyList_Size(zones);
    if (!is_at_most(zones, MOST_ZONES, "zones"))
        return false;
    for (Py_ssize_t at = 0; at < count; at++) {
        struct zone *zone = &table->zones[at];
        PyObject *item = tuple_at(zones, at), *name;
        uint16_t base;
        size_t size;
        if (!item || !PyArg_ParseTuple(item, "O!O&", &PyUnicode_Type, &name, read_short, &base))
            return false;
        const char *apex = text_of(name, &size);
        if (!apex)
            return false;
        if (base >= count || (at && size > table->zones[at - 1].apex_size)) {
            PyErr_SetString(PyExc_ValueError, "zones are given by length, with one of them as base");
            return false;
        }
        memcpy(zone->apex, apex, size);
        zone->apex_size = (uint8_t)size;
        zone->base = (uint8_t)base;
    }
    table->zone_count = (size_t)count;
    return true;
}

static bool set_exempt(struct table *table, PyObject *exempt)
{
    Py_ssize_t count = PyList_Size(exempt);
    if (!is_at_most(exempt, MOST_EXEMPT, "networks"))
        return false;
    for (Py_ssize_t at = 0; at < count; at++) {
        struct network *network = &table->exempt[at];
        PyObject *item = tuple_at(exempt, at), *address;
        struct octets octets;
        uint16_t bits;
        if (!item || !PyArg_ParseTuple(item, "OO&", &address, read_short, &bits) ||
            !read_octets(address, &octets, sizeof network->address, sizeof network->address))
            return false;
        if (bits > 128) {
            PyErr_Format(PyExc_ValueError, "a network of %d bits", bits);
            return false;
        }
        memcpy(network->address, octets.at, octets.size);
        network->bits = (uint8_t)bits;
    }
    table->exempt_count = (size_t)count;
    return true;
}

static PyObject *table_create(PyTypeObject *type, PyObject *args, PyObject *words)
{
    static char *names[] = {"zones", "flags", "udp_size", "exempt", "rate", NULL};
    PyObject *zones, *exempt;
    uint16_t flags, udp_size;
    int rate;
    uint64_t key[2];
    if (!PyArg_ParseTupleAndKeywords(args, words, "O!O&O&O!i", names, &PyList_Type, &zones,
                                     read_short, &flags, read_short, &udp_size, &PyList_Type,
                                     &exempt, &rate))
        return NULL;
    if (udp_size < 512 || udp_size > MOST_PACKET) {
        PyErr_Format(PyExc_ValueError, "an answer has 512 to %d octets", MOST_PACKET);
        return NULL;
    }
    if (getrandom(key, sizeof key, 0) != sizeof key)
        return PyErr_SetFromErrno(PyExc_OSError);
    Table *self = (Table *)PyType_GenericAlloc(type, 0);
    if (!self)
        return NULL;
    self->table = table_new(key);
    if (!self->table) {
        Py_DECREF(self);
        return PyErr_NoMemory();
    }
    self->table->flags = flags;
    self->table->udp_size = udp_size;
    self->table->interval = rate < 0 ? 0 : rate ? NANOSECONDS / (unsigned int)rate : NONE;
    if (!set_zones(self->table, zones) || !set_exempt(self->table, exempt)) {
        Py_DECREF(self);
        return NULL;
    }
    return (PyObject *)self;
}

static void table_destroy(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);
    if (((Table *)object)->table)
        table_free(((Table *)object)->table);
    PyObject_Free(object);
    Py_DECREF(type);
}

static PyObject *done(Table *self, bool kept, PyObject *result)
{
    table_reclaim(self->table);
    if (!kept)
        return PyErr_NoMemory();
    Py_INCREF(result);
    return result;
}

static PyObject *table_method_deny(PyObject *object, PyObject *args)
{
    struct table *table = ((Table *)object)->table;
    uint16_t zone;
    PyObject *record;
    if (!PyArg_ParseTuple(args, "O&O", read_short, &zone, &record))
        return NULL;
    if (zone >= table->zone_count) {
        PyErr_Format(PyExc_IndexError, "there is no zone %d", zone);
        return NULL;
    }
    struct octets octets = {0};
    if (record != Py_None && !read_octets(record, &octets, LEAST_RECORD - 2, MOST_PACKET))
        return NULL;
    return done((Table *)object, table_deny(table, (uint8_t)zone, octets.at, octets.size), Py_None);
}

static PyObject *table_method_mark(PyObject *object, PyObject *args)
{
    Table *self = (Table *)object;
    uint16_t zone;
    PyObject *name;
    int there;
    size_t size;
    if (!PyArg_ParseTuple(args, "O&Up", read_short, &zone, &name, &there))
        return NULL;
    const char *text = text_in(self, zone, name, &size);
    if (!text)
        return NULL;
    uint8_t base = self->table->zones[zone].base;
    size -= self->table->zones[zone].apex_size;
    if (table_has(self->table, base, text, size) == there)
        Py_RETURN_FALSE;
    if (!there)
        return done(self, table_remove(self->table, base, text, size), Py_True);
    return done(self, table_add(self->table, base, text, size), Py_True);
}

/* One rrset: (type, [record, ...], [target, ...]), without targets or with one for each record. */
static bool read_rrset(PyObject *rrset, struct given *given, PyObject **records, PyObject **targets)
{
    if (!rrset || !PyArg_ParseTuple(rrset, "O&O!O!", read_short, &given->type, &PyList_Type,
                                    records, &PyList_Type, targets))
        return false;
    Py_ssize_t count = PyList_Size(*records), ends = PyList_Size(*targets);
    if (count > UINT16_MAX || (ends && ends != count)) {
        PyErr_Format(PyExc_ValueError, "an rrset of %zd records and %zd targets", count, ends);
        return false;
    }
    given->count = (uint16_t)count;
    return true;
}

static bool read_records(PyObject *list, struct octets *records)
{
    for (Py_ssize_t at = 0; at < PyList_Size(list); at++)
        if (!read_octets(PyList_GetItem(list, at), &records[at], LEAST_RECORD, UINT16_MAX))
            return false;
    return true;
}

static bool read_targets(Table *self, uint16_t zone, PyObject *list, struct octets *targets)
{
    for (Py_ssize_t at = 0; at < PyList_Size(list); at++) {
        targets[at].at = text_in(self, zone, PyList_GetItem(list, at), &targets[at].size);
        if (!targets[at].at)
            return false;
    }
    return true;
}

static PyObject *table_method_teach(PyObject *object, PyObject *args)
{
    Table *self = (Table *)object;
    uint16_t zone;
    PyObject *name, *rrsets, *records[MOST_TYPES], *targets[MOST_TYPES];
    struct given given[MOST_TYPES];
    size_t size, count, total = 0;
    if (!PyArg_ParseTuple(args, "UO&O!", &name, read_short, &zone, &PyList_Type, &rrsets))
        return NULL;
    const char *text = text_in(self, zone, name, &size);
    if (!text || !is_at_most(rrsets, MOST_TYPES, "types"))
        return NULL;
    count = (size_t)PyList_Size(rrsets);
    for (size_t at = 0; at < count; at++) {
        if (!read_rrset(tuple_at(rrsets, (Py_ssize_t)at), &given[at], &records[at], &targets[at]))
            return NULL;
        total += given[at].count;
    }
    struct octets *octets = PyMem_Malloc((2 * total + 1) * sizeof *octets), *next = octets;
    bool kept = octets, good = true;
    for (size_t at = 0; kept && good && at < count; at++) {
        struct octets *ends = next + given[at].count;
        given[at].records = next;
        given[at].targets = PyList_Size(targets[at]) ? ends : NULL;
        good = read_records(records[at], next) && read_targets(self, zone, targets[at], ends);
        next = ends + given[at].count;
    }
    if (kept && good)
        kept = table_teach(self->table, text, size, (uint8_t)zone, given, count);
    PyMem_Free(octets);
    return good ? done(self, kept, Py_None) : NULL;
}

static PyObject *table_method_forget(PyObject *object, PyObject *name)
{
    Table *self = (Table *)object;
    size_t size;
    const char *text = text_of(name, &size);
    if (!text)
        return NULL;
    bool found = table_forget(self->table, text, size);
    return done(self, true, found ? Py_True : Py_False);
}

static PyObject *table_method_known(PyObject *object, PyObject *names)
{
    Table *self = (Table *)object;
    PyObject *known = PyList_New(0), *iterator = PyObject_GetIter(names), *name = NULL;
    while (known && iterator && (name = PyIter_Next(iterator))) {
        Py_ssize_t size;
        const char *text = PyUnicode_AsUTF8AndSize(name, &size);
        if (!text || (table_knows(self->table, text, (size_t)size) && PyList_Append(known, name)))
            Py_CLEAR(known);
        Py_DECREF(name);
    }
    Py_XDECREF(iterator);
    if (PyErr_Occurred())
        Py_CLEAR(known);
    return known;
}

static PyObject *table_method_answer(PyObject *object, PyObject *query)
{
    Table *self = (Table *)object;
    struct question question;
    uint8_t out[MOST_PACKET];
    char *octets;
    Py_ssize_t size;
    if (PyBytes_AsStringAndSize(query, &octets, &size))
        return NULL;
    /* The writer needs not enter: nothing is freed meanwhile. */
    size_t found = 0;
    if (question_read(&question, self->table, (const uint8_t *)octets, (size_t)size))
        found = question_answer(&question, self->table, &self->counts, out);
    if (!found)
        Py_RETURN_NONE;
    return PyBytes_FromStringAndSize((const char *)out, (Py_ssize_t)found);
}

static PyObject *table_method_asked(PyObject *object, PyObject *query)
{
    struct question question;
    char *octets;
    Py_ssize_t size;
    if (PyBytes_AsStringAndSize(query, &octets, &size))
        return NULL;
    if (!question_read(&question, ((Table *)object)->table, (const uint8_t *)octets, (size_t)size))
        Py_RETURN_NONE;
    return PyUnicode_DecodeLatin1(question.text, question.text_size, NULL);
}

static PyObject *table_method_counts(PyObject *object, PyObject *none)
{
    (void)none;
    return numbers_of(&((Table *)object)->counts);
}

static PyObject *table_size(PyObject *object, void *none)
{
    (void)none;
    return PyLong_FromSize_t(((Table *)object)->table->size);
}

static PyMethodDef table_methods[] = {
    {"deny", table_method_deny, METH_VARARGS,
     "deny($self, zone, record, /)\n--\n\n"
     "Set the SOA record, without its owner, that a zone says no with; None for none."},
    {"mark", table_method_mark, METH_VARARGS,
     "mark($self, zone, name, there, /)\n--\n\n"
     "Say whether a zone has a name; return whether that is new."},
    {"teach", table_method_teach, METH_VARARGS,
     "teach($self, name, zone, rrsets, /)\n--\n\n"
     "Set all that a name has: (type, [record, ...], [target, ...])."},
    {"forget", table_method_forget, METH_O,
     "forget($self, name, /)\n--\n\nForget what a name has; return whether it was known."},
    {"known", table_method_known, METH_O,
     "known($self, names, /)\n--\n\nReturn those of the names that are known."},
    {"answer", table_method_answer, METH_O,
     "answer($self, query, /)\n--\n\nAnswer a query; None for what is not known."},
    {"asked", table_method_asked, METH_O,
     "asked($self, query, /)\n--\n\n"
     "Return the name that a plain query is about, in small letters; None for any other query."},
    {"counts", table_method_counts, METH_NOARGS,
     "counts($self, /)\n--\n\nReturn what was counted of the answers given by `answer`."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef table_values[] = {
    {"size", table_size, NULL, "Octets of all that the table has.", NULL},
    {NULL, NULL, NULL, NULL, NULL}};

static PyType_Slot table_slots[] = {{Py_tp_new, table_create},
                                    {Py_tp_dealloc, table_destroy},
                                    {Py_tp_methods, table_methods},
                                    {Py_tp_getset, table_values},
                                    {0, NULL}};

static PyType_Spec table_spec = {"pointsman.dns._native.Table", sizeof(Table), 0,
                                 Py_TPFLAGS_DEFAULT, table_slots};

/*
 * Server(table, socket, up, name)
 *
 * Both descriptors may be closed after. `use` and `stop` wait for no more than a batch of answers,
 * and keep the GIL, so that no two of them are under way at once.
 */

/* Tell what is a Table by how it is destroyed: a module may be loaded more than once. */
static bool is_table(PyObject *object)
{
    if (PyType_GetSlot(Py_TYPE(object), Py_tp_dealloc) == (void *)table_destroy)
        return true;
    PyErr_SetString(PyExc_TypeError, "not a Table");
    return false;
}

static PyObject *server_create(PyTypeObject *type, PyObject *args, PyObject *words)
{
    static char *names[] = {"table", "socket", "up", "name", NULL};
    PyObject *table;
    int socket, up;
    const char *name;
    if (!PyArg_ParseTupleAndKeywords(args, words, "Oiis", names, &table, &socket, &up, &name) ||
        !is_table(table))
        return NULL;
    Server *self = (Server *)PyType_GenericAlloc(type, 0);
    if (!self)
        return NULL;
    self->server = server_start(((Table *)table)->table, socket, up, name);
    if (!self->server) {
        PyErr_SetFromErrno(PyExc_OSError);
        Py_DECREF(self);
        return NULL;
    }
    Py_INCREF(table);
    self->table = table;
    self->running = true;
    return (PyObject *)self;
}

static PyObject *server_method_stop(PyObject *object, PyObject *none)
{
    Server *self = (Server *)object;
    (void)none;
    if (self->running) {
        self->running = false;
        server_stop(self->server);
    }
    Py_RETURN_NONE;
}

static void server_destroy(PyObject *object)
{
    Server *self = (Server *)object;
    PyTypeObject *type = Py_TYPE(object);
    if (self->server) {
        Py_XDECREF(server_method_stop(object, NULL));
        server_free(self->server);
    }
    Py_XDECREF(self->table);
    PyObject_Free(object);
    Py_DECREF(type);
}

static PyObject *server_method_use(PyObject *object, PyObject *table)
{
    Server *self = (Server *)object;
    if (!is_table(table))
        return NULL;
    server_use(self->server, ((Table *)table)->table);
    Py_INCREF(table);
    Py_DECREF(self->table);
    self->table = table;
    Py_RETURN_NONE;
}

static PyObject *server_method_counts(PyObject *object, PyObject *none)
{
    (void)none;
    return numbers_of(&server_reader(((Server *)object)->server)->counts);
}

static PyMethodDef server_methods[] = {
    {"use", server_method_use, METH_O,
     "use($self, table, /)\n--\n\nAnswer from another table from now on."},
    {"stop", server_method_stop, METH_NOARGS,
     "stop($self, /)\n--\n\nEnd the thread; what it counted can still be read."},
    {"counts", server_method_counts, METH_NOARGS,
     "counts($self, /)\n--\n\n"
     "Return ([(type, outcome, number), ...], durations, nanoseconds, passed, overflow)."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot server_slots[] = {{Py_tp_new, server_create},
                                     {Py_tp_dealloc, server_destroy},
                                     {Py_tp_methods, server_methods},
                                     {0, NULL}};

static PyType_Spec server_spec = {"pointsman.dns._native.Server", sizeof(Server), 0,
                                  Py_TPFLAGS_DEFAULT, server_slots};

static int added(PyObject *module, const char *name, PyType_Spec *spec)
{
    PyObject *type = PyType_FromSpec(spec);
    int failed = type ? PyModule_AddObjectRef(module, name, type) : -1;
    Py_XDECREF(type);
    return failed;
}

static int filled(PyObject *module)
{
    return added(module, "Table", &table_spec) || added(module, "Server", &server_spec) ? -1 : 0;
}

static PyModuleDef_Slot module_slots[] = {{Py_mod_exec, filled}, {0, NULL}};

static PyModuleDef module = {PyModuleDef_HEAD_INIT, "_native", NULL, 0, NULL, module_slots,
                             NULL, NULL, NULL};

PyMODINIT_FUNC PyInit__native(void)
{
    return PyModuleDef_Init(&module);
}
