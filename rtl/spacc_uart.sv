/// Serial port: 8 data bits, no parity, one stop bit, least significant bit first.
///
///   idle --\__start__/ d0 | d1 | .. | d7 /--stop--  each Divider clocks
///
/// Receiver: a byte is given out, for one cycle and without back-pressure, in the middle
/// of its stop bit, so the next start bit may come early by half a bit. Bits are read
/// once, in their middle: with both clocks within 4 % of each other all ten are read
/// right (Divider of 8 or more). A byte whose stop bit is low is dropped;
/// then the line must be high before the next start bit counts.
/// Transmitter: a byte that is taken takes 10 * Divider clocks.
module spacc_uart #(
  parameter int unsigned Divider = 12 // clocks a bit, 4 or more
) (
  input  logic       clk_i,
  input  logic       rst_ni,     // synchronous, active low
  // line
  input  logic       rx_i,       // any clock
  output logic       tx_o,
  // bytes received
  output logic       rx_valid_o, // pulse
  output logic [7:0] rx_data_o,  // with rx_valid_o
  output logic       rx_busy_o,  // a byte is coming in, or the line is low
  // bytes to send
  input  logic       tx_valid_i,
  output logic       tx_ready_o,
  input  logic [7:0] tx_data_i
);

  localparam int unsigned CountWidth = $clog2(Divider);

  // Receiver. The synchroniser holds two samples more than the present one.
  logic                  rx_meta_q, rx_q;
  logic                  receiving_q, need_high_q;
  logic [CountWidth-1:0] rx_count_q;  // clocks to the next sample, less one
  logic [3:0]            rx_bit_q;    // 0 start, 1..8 data, 9 stop
  logic                  rx_sample;

  assign rx_sample = receiving_q && rx_count_q == '0;
  assign rx_busy_o = receiving_q || !rx_q;

  always_ff @(posedge clk_i) begin
    rx_meta_q  <= rx_i;
    rx_q       <= rx_meta_q;
    rx_valid_o <= 1'b0;
    if (!rst_ni) begin
      receiving_q <= 1'b0;
      need_high_q <= 1'b1;
      rx_count_q  <= '0;
      rx_bit_q    <= '0;
      rx_data_o   <= '0;
    end else if (!receiving_q) begin
      if (rx_q) need_high_q <= 1'b0;
      if (!rx_q && !need_high_q) begin
        receiving_q <= 1'b1;
        rx_count_q  <= CountWidth'(Divider / 2 - 1);
        rx_bit_q    <= 4'd0;
      end
    end else if (!rx_sample) begin
      rx_count_q <= rx_count_q - 1'b1;
    end else begin
      rx_count_q <= CountWidth'(Divider - 1);
      rx_bit_q   <= rx_bit_q + 4'd1;
      if (rx_bit_q == 4'd0 && rx_q) receiving_q <= 1'b0; // a spike, no start bit
      if (rx_bit_q >= 4'd1 && rx_bit_q <= 4'd8) rx_data_o <= {rx_q, rx_data_o[7:1]};
      if (rx_bit_q == 4'd9) begin
        receiving_q <= 1'b0;
        need_high_q <= !rx_q;
        rx_valid_o  <= rx_q;
      end
    end
  end

  // Transmitter: start bit, data and stop bit in one shift register.
  logic                  sending_q;
  logic [CountWidth-1:0] tx_count_q;
  logic [3:0]            tx_left_q;  // bits behind the present one
  logic [9:0]            tx_shift_q; // present bit lowest

  assign tx_o       = tx_shift_q[0];
  assign tx_ready_o = !sending_q;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      sending_q  <= 1'b0;
      tx_count_q <= '0;
      tx_left_q  <= '0;
      tx_shift_q <= '1;
    end else if (!sending_q) begin
      if (tx_valid_i) begin
        sending_q  <= 1'b1;
        tx_count_q <= CountWidth'(Divider - 1);
        tx_left_q  <= 4'd9;
        tx_shift_q <= {1'b1, tx_data_i, 1'b0};
      end
    end else if (tx_count_q != '0) begin
      tx_count_q <= tx_count_q - 1'b1;
    end else begin
      tx_count_q <= CountWidth'(Divider - 1);
      tx_left_q  <= tx_left_q - 4'd1;
      tx_shift_q <= {1'b1, tx_shift_q[9:1]};
      if (tx_left_q == 4'd0) sending_q <= 1'b0;
    end
  end

`ifndef SYNTHESIS
  initial assert (Divider >= 4) else $fatal(1, "Divider must be 4 or more");

  InHolds: assert property (@(posedge clk_i) disable iff (!rst_ni)
      tx_valid_i && !tx_ready_o |=> tx_valid_i && $stable(tx_data_i))
      else $error("producer changed a byte before it was taken");
`endif

endmodule
