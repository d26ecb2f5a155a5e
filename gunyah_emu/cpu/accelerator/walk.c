/* The guest's page tables, walked in our own memory.
 *
 * Unicorn reads each descriptor through its model of a bus, and finds its address by a walk of stage 2 that does the same:
 * a miss of its TLB costs a microsecond.  The tables of both stages are in memory that we know, so the usual walk, one that
 * ends well with 4 KiB granules, costs a twentieth.  Everything else, each fault above all, is left to Unicorn: this walk
 * says a translation, or nothing.
 *
 * It answers what Unicorn would answer (walking.py proves it at start-up), and so knows what Unicorn knows: Arm ARM D8.3, D8.4,
 * without what came with Armv8.1 and later but for PAN and hierarchical permissions.
 */
#include "core.h"

enum { USER = 16, PRIVILEGED = 18, PRIVILEGED_PAN = 19 };    /* ARMMMUIdx */
enum { LOAD, STORE, FETCH };                                 /* MMUAccessType; 1 << of it is its permission */
enum { READ = 1, WRITE = 2, EXECUTE = 4 };                   /* PAGE_* */
enum { ATTRIBUTE_SECURE = 2, ATTRIBUTE_USER = 4 };           /* MemTxAttrs */
enum { VALID = 1, TABLE_OR_PAGE = 2, PAGE_BITS = 12, STRIDE = 9 };

#define BITS(value, low, count) ((value) >> (low) & ((1ull << (count)) - 1))
#define ADDRESS 0xfffffffff000ull /* of a descriptor */
#define TOO_HIGH ((uint64_t)1 << 39) /* no IPA: el2.py */

typedef struct {
    uint64_t address;
    char *host; /* where the address is in our memory; NULL: nowhere */
    int permissions;
} Page;

static Window *window_at(Core *self, uint64_t physical)
{
    Window *window = &self->windows[self->last_window];
    if (self->last_window < self->window_count && physical - window->physical < window->size)
        return window;
    for (window = self->windows; window < self->windows + self->window_count; window++)
        if (physical - window->physical < window->size) {
            self->last_window = window - self->windows;
            return window;
        }
    return NULL;
}

/* 1 when stage 2 maps an IPA. */
static int stage2(Core *self, uint64_t ipa, Page *page)
{
    char *tables = (char *)(uintptr_t)self->stage2;
    const uint64_t *table = (const uint64_t *)tables;
    uint64_t entry = 0;
    if (ipa >= TOO_HIGH || !table)
        return 0;
    for (int shift = PAGE_BITS + 2 * STRIDE; shift >= PAGE_BITS; shift -= STRIDE) {
        entry = table[BITS(ipa, shift, STRIDE)];
        if (!(entry & VALID))
            return 0;
        table = (const uint64_t *)(tables + ((entry & ADDRESS) - stage2_tables));
    }
    page->address = (entry & ADDRESS) | (ipa & ~ADDRESS);
    page->permissions = (int)BITS(entry, 6, 2) | (entry >> 54 & 1 ? 0 : EXECUTE);
    Window *window = window_at(self, page->address);
    page->host = window ? window->host + (page->address - window->physical) : NULL;
    return 1;
}

/* AP[2:1], of a user or not (Arm ARM D8.4.1). */
static int data_permissions(unsigned ap, int is_user) { return is_user && !(ap & 1) ? 0 : ap & 2 ? READ : READ | WRITE; }

static int stage1_permissions(Core *self, int regime, unsigned ap, int pxn, int xn)
{
    int user = data_permissions(ap, 1), mine = regime == USER ? user : data_permissions(ap, 0);
    if (regime == PRIVILEGED_PAN && user)
        mine = 0;
    if (regime != USER)
        xn = pxn || user & WRITE;
    if (xn || (AT(uint64_t, self->env, env_sctlr_el1) >> 19 & 1 && mine & WRITE))
        return mine;
    return mine | EXECUTE;
}

/* Stage 1 with its MMU on: the IPA and the permissions of a virtual address.  0: somebody else must say. */
static int stage1(Core *self, uint64_t va, int access, int regime, Page *page)
{
    uint64_t tcr = AT(uint64_t, self->env, env_tcr_el1);
    unsigned upper = BITS(va, 55, 1), size = BITS(tcr, upper ? 16 : 0, 6), granule = BITS(tcr, upper ? 30 : 14, 2);
    uint64_t strange = BITS(tcr, upper ? 23 : 7, 1) | BITS(tcr, 41, 2); /* EPD, HPD */
    if (strange || granule != (upper ? 2 : 0) || size < 16 || size > 39)
        return 0;
    int is_tagged = BITS(tcr, upper ? 38 : 37, 1) && !(access == FETCH && BITS(tcr, upper ? 52 : 51, 1)); /* TBI, TBID */
    int bits = 64 - (int)size, top = is_tagged ? 56 : 64;
    if (BITS(va, bits, top - bits) != (upper ? BITS(~0ull, 0, top - bits) : 0))
        return 0;
    int shift = PAGE_BITS + (bits - 4) / STRIDE * STRIDE - STRIDE; /* of the index into the first table */
    uint64_t above = 0, descriptor;
    uint64_t index = BITS(va, shift, bits - shift), mask = (8ull << (bits - shift)) - 1;
    uint64_t table = BITS(AT(uint64_t, self->env, upper ? env_ttbr1_el1 : env_ttbr0_el1), 0, 48) & ~mask;
    for (;; shift -= STRIDE) {
        Page at;
        if (!stage2(self, table + index * 8, &at) || !at.host || !(at.permissions & READ))
            return 0;
        descriptor = AT(uint64_t, at.host, 0);
        if (!(descriptor & VALID) || (shift == PAGE_BITS && !(descriptor & TABLE_OR_PAGE)))
            return 0;
        if (shift == PAGE_BITS || !(descriptor & TABLE_OR_PAGE))
            break;
        above |= descriptor;
        table = descriptor & ADDRESS;
        index = BITS(va, shift - STRIDE, STRIDE);
    }
    if (!(descriptor >> 10 & 1) || descriptor >> 50 & 1) /* the access flag is clear; a guarded page */
        return 0;
    unsigned ap = BITS(descriptor, 6, 2);
    ap = (above >> 61 & 1 ? ap & ~1u : ap) | (above >> 62 & 1) << 1;
    uint64_t pxn = (descriptor >> 53 | above >> 59) & 1, xn = (descriptor >> 54 | above >> 60) & 1;
    page->permissions = stage1_permissions(self, regime, ap, (int)pxn, (int)xn);
    page->address = (descriptor & ADDRESS) | BITS(va, 0, shift);
    return page->permissions >> access & 1;
}

static int translated(Core *self, uint64_t va, int access, int regime, Page *page)
{
    Page ipa = {va, NULL, READ | WRITE | EXECUTE};
    uint64_t sctlr = AT(uint64_t, self->env, env_sctlr_el1);
    if (regime != USER && regime != PRIVILEGED && regime != PRIVILEGED_PAN)
        return 0;
    if (sctlr & 1 && (sctlr >> 25 & 1 || !stage1(self, va, access, regime, &ipa))) /* big-endian tables are rare */
        return 0;
    if (!stage2(self, ipa.address, page) || !(page->permissions >> access & 1))
        return 0;
    page->permissions &= ipa.permissions;
    return 1;
}

int walk(void *env, uint64_t va, int access, int regime, uint64_t *physical, uint32_t *attributes, int *permissions,
         uint64_t *size, void *fault, void *cache_attributes)
{
    Page page;
    Core *self = AT(uint64_t, env, env_vttbr_el2) == stage2_tables && !cache_attributes ? core_with(env) : NULL;
    if (!self || !translated(self, va, access, regime, &page))
        return get_phys_addr(env, va, access, regime, physical, attributes, permissions, size, fault, cache_attributes);
    *physical = page.address;
    *attributes = (*attributes & ~(uint32_t)(ATTRIBUTE_SECURE | ATTRIBUTE_USER)) | (regime == USER ? ATTRIBUTE_USER : 0);
    *permissions = page.permissions;
    *size = 1 << PAGE_BITS;
    return 0;
}

static PyObject *answer(int fault, uint64_t physical, uint32_t attributes, int permissions, uint64_t size)
{
    return fault ? Py_NewRef(Py_None) : Py_BuildValue("KIiK", (unsigned long long)physical, attributes, permissions,
                                                      (unsigned long long)size);
}

/* walks(va, access, regime): our translation, and Unicorn's, as (physical, attributes, permissions, size); None: none. */
PyObject *Core_walks(Core *self, PyObject *args)
{
    unsigned long long va;
    int access, regime, permissions = 0;
    uint64_t physical = 0, size = 0, fault[16] = {0};
    uint32_t attributes = 0;
    if (!PyArg_ParseTuple(args, "Kii", &va, &access, &regime))
        return NULL;
    Page page = {0};
    int ours = translated(self, va, access, regime, &page);
    if (ours)
        walk(self->env, va, access, regime, &physical, &attributes, &permissions, &size, fault, NULL);
    PyObject *mine = answer(!ours, physical, attributes, permissions, size);
    attributes = 0;
    int none = get_phys_addr(self->env, va, access, regime, &physical, &attributes, &permissions, &size, fault, NULL);
    return Py_BuildValue("NN", mine, answer(none, physical, attributes, permissions, size));
}
