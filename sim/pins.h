/* pins.h - the card's ports for one clock cycle: AXI4-Lite slave, AXI4 master,
 * interrupt. All signals have AXI's names and meaning; a flag is 0 or 1. Data is in
 * 64-bit words, lowest first; a card with a narrower bus uses the first of them, and as
 * many bits of wstrb as its bus has bytes. */
#ifndef SPACC_SIM_PINS_H
#define SPACC_SIM_PINS_H

#include <stdint.h>

enum { SPACC_PINS_WORDS = 8 }; /* the widest data bus: 512 bits */

/* Driven by the sim. */
struct spacc_pins_in {
    uint8_t rst_n;
    uint8_t lite_awvalid, lite_wvalid, lite_wstrb, lite_bready, lite_arvalid, lite_rready;
    uint16_t lite_awaddr, lite_araddr;
    uint32_t lite_wdata;
    uint8_t arready, rvalid, rlast, rresp, awready, wready, bvalid, bresp;
    uint64_t rdata[SPACC_PINS_WORDS]; /* valid with rvalid */
};

/* Driven by the card; values before the clock edge of the cycle. */
struct spacc_pins_out {
    uint8_t interrupt;
    uint8_t lite_awready, lite_wready, lite_bvalid, lite_bresp, lite_arready, lite_rvalid,
        lite_rresp;
    uint32_t lite_rdata;
    uint8_t arvalid, arlen, arsize, arburst, rready;
    uint8_t awvalid, awlen, awsize, awburst, wvalid, wlast, bready;
    uint64_t araddr, awaddr;
    uint64_t wstrb, wdata[SPACC_PINS_WORDS]; /* valid with wvalid */
};

#endif
